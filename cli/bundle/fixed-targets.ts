import { fixedTargets } from '../../fleet-server/core/repository/accept-targets.ts';
import { createDecoder } from '../../shared/codec/validator.ts';
import {
  type DirectorKeys,
  DirectorKeysSchema,
  type Revoked,
  RevokedSchema,
} from '../../shared/contracts/bundle-config.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { isDigest } from '../../shared/core/ids.ts';
import { exitCodes } from '../exit-code.ts';
import { directorOf, type OnlineHandout } from '../keys/online-handout.ts';
import { readOptional } from '../keys/workspace.ts';
import { valueOrEnd } from './command-end.ts';
import { endWith } from './output.ts';
import type { SigningBase } from './signing-base.ts';
import type { Difference } from './targets-change.ts';

type ReadFixed = SigningBase['readFixed'];
export type FixedFiles = ReadonlyMap<string, Uint8Array>;

const decodeRevoked = createDecoder(RevokedSchema, limits.fixedTargetBytesMax);
const decodeDirector = createDecoder(DirectorKeysSchema, limits.fixedTargetBytesMax);

export interface FixedRequest {
  /** `[digest, reason]`. */
  readonly revoke: readonly (readonly [string, string])[];
  readonly then: Revoked['revoked'][number]['then'];
  /** File with the new content of `director.json`. */
  readonly director: string | undefined;
  /** Or the server whose keys it shall name. */
  readonly online: OnlineHandout | undefined;
}

/** New content of `revoked.json` and `director.json`, where one is asked for; both before the first targets file. */
export async function changedFixed(
  readFixed: ReadFixed,
  request: FixedRequest,
): Promise<FixedFiles> {
  const [revokedBefore, directorBefore] = await Promise.all([
    readFixed('revoked.json'),
    readFixed('director.json'),
  ]);
  const fixed = new Map<string, Uint8Array>();
  if (request.revoke.length > 0 || revokedBefore === undefined) {
    const known = revokedBefore === undefined ? { revoked: [] } : readRevoked(revokedBefore);
    const added = request.revoke.map(([digest, reason]) =>
      isDigest(digest)
        ? { digest, reason, then: request.then }
        : endWith(exitCodes.usage, `${digest} is no sha256 digest`),
    );
    const bytes = utf8(canonicalJson({ ...addRevocations(known, added) }));
    readRevoked(bytes);
    fixed.set('revoked.json', bytes);
  }
  const director = await changedDirector(directorBefore, request);
  if (director !== undefined) fixed.set('director.json', director);
  return fixed;
}

async function changedDirector(
  before: Uint8Array | undefined,
  { director: file, online }: FixedRequest,
): Promise<Uint8Array | undefined> {
  if (file !== undefined) {
    const bytes = await readOptional(file);
    if (bytes === undefined) return endWith(exitCodes.notFound, `no file ${file}`);
    readDirector(bytes);
    return bytes;
  }
  if (online !== undefined) {
    const known = before === undefined ? undefined : readDirector(before);
    const next = directorOf(online, known);
    return next === known ? undefined : utf8(canonicalJson({ ...next }));
  }
  return before === undefined
    ? endWith(exitCodes.usage, 'the first targets name a director: say --online FILE')
    : undefined;
}

/** `revoked.json` with more entries. What stands there stays; only `replace` may harden into `stop`. */
export function addRevocations(known: Revoked, added: Revoked['revoked']): Revoked {
  const entries = new Map(known.revoked.map((entry) => [entry.digest, entry]));
  for (const entry of added) {
    const before = entries.get(entry.digest);
    const isHarder = before?.then === 'replace' && entry.then === 'stop';
    if (before === undefined || isHarder) entries.set(entry.digest, entry);
  }
  return { revoked: [...entries.values()] };
}

/** What the fixed files say that they did not say before: a hash alone would hide it from who signs. */
export async function differencesOfFixed(
  readFixed: ReadFixed,
  fixed: FixedFiles,
): Promise<readonly Difference[]> {
  const differences: Difference[] = [];
  for (const name of fixedTargets) {
    const after = fixed.get(name);
    if (after === undefined) continue;
    const [from, to] = [factsOf(name, await readFixed(name)), factsOf(name, after)];
    for (const fact of [...new Set([...from.keys(), ...to.keys()])].sort()) {
      const [before, now] = [from.get(fact) ?? '-', to.get(fact) ?? '-'];
      if (before !== now) differences.push({ subject: `${name} ${fact}`, before, after: now });
    }
  }
  return differences;
}

function factsOf(
  name: (typeof fixedTargets)[number],
  bytes: Uint8Array | undefined,
): ReadonlyMap<string, string> {
  if (bytes === undefined) return new Map();
  if (name === 'revoked.json') {
    const { revoked } = readRevoked(bytes);
    return new Map(revoked.map(({ digest, reason, then }) => [digest, `${then}: ${reason}`]));
  }
  const { version, keys, auditKeys } = readDirector(bytes);
  return new Map([
    ['version', String(version)],
    ['keys', keys.join(' ')],
    ['auditKeys', auditKeys.join(' ')],
  ]);
}

const readRevoked = (bytes: Uint8Array): Revoked => valueOrEnd(decodeRevoked(bytes));
const readDirector = (bytes: Uint8Array): DirectorKeys => valueOrEnd(decodeDirector(bytes));
