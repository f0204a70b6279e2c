import { bytesOfHex, textOf, utf8 } from '../../shared/core/bytes.ts';
import { type Root, type TopLevelRole, topLevelRoles } from '../../shared/trust/tuf/metadata.ts';
import { parseMetadata } from '../../shared/trust/tuf/parse-metadata.ts';
import { valueOrEnd } from '../bundle/command-end.ts';
import { answer, endWith, type OutputForm } from '../bundle/output.ts';
import { exitCodes } from '../exit-code.ts';
import { handedKey, readHandout } from './online-handout.ts';
import { differencesOfRoots } from './root-differences.ts';
import { keyIdOf, proposeRoot, type RootChange } from './root-proposal.ts';
import {
  proposalPath,
  readKeyFile,
  readOptional,
  readTrustedRoot,
  type Workspace,
  writeDurably,
} from './workspace.ts';

export interface ProposeFlags {
  readonly add?: readonly string[];
  readonly online?: string;
  readonly remove?: readonly string[];
  readonly removeOnline?: string;
  readonly threshold?: readonly string[];
  readonly expiresDays: string;
  readonly output: OutputForm;
}

const dayMs = 24 * 60 * 60 * 1000;

/** Writes the root after the trusted one, unsigned, and shows what it changes. */
export async function propose(home: Workspace, flags: ProposeFlags): Promise<void> {
  const current = await readTrustedRoot(home);
  const change: RootChange = {
    add: [
      ...(await Promise.all((flags.add ?? []).map(keyNamed))),
      ...(await onlineKeysIn(flags.online)),
    ],
    remove: [
      ...(await Promise.all((flags.remove ?? []).map((text) => removalNamed(text, current?.body)))),
      ...(await onlineKeysIn(flags.removeOnline)).map(({ role, publicKey }) => {
        return { role, keyId: keyIdOf(publicKey) };
      }),
    ],
    thresholds: new Map(
      (flags.threshold ?? []).map((text) => {
        const [role, count] = splitRole(text);
        return [role, wholeNumber(count, '--threshold')] as const;
      }),
    ),
    expiresAtMs: Date.now() + wholeNumber(flags.expiresDays, '--expires-days') * dayMs,
  };
  const proposed = proposeRoot(current?.body, change);
  if (!proposed.ok) return endWith(exitCodes.usage, proposed.error.message);
  const path = proposalPath(home, 'root');
  await writeDurably(path, proposed.value);
  const { body } = valueOrEnd(parseMetadata('root', proposed.value));
  const differences = differencesOfRoots(current?.body, body);
  const { version } = body;
  answer(flags.output, { proposal: path, version, differences: differences.map(asJson) }, [
    ['proposal', path],
    ['root version', String(version)],
    ...differences,
  ]);
  console.error(`next: each holder runs skein keys sign ${path} --key FILE`);
}

const asJson = ([subject = '', change = '']: readonly string[]) => ({ subject, change });

/** Those that stand in root; director, audit and federated stand in targets. */
async function onlineKeysIn(file: string | undefined): Promise<RootChange['add']> {
  if (file === undefined) return [];
  const handout = await readHandout(file);
  if (!handout.ok) return endWith(exitCodes.usage, handout.error);
  return (['snapshot', 'timestamp'] as const).map((role) => ({
    role,
    publicKey: handedKey(handout.value, role),
  }));
}

/** A public key in hexadecimal, or a file with it: `.pub`, or a sealed share, whose secret stays sealed. */
async function keyNamed(text: string): Promise<RootChange['add'][number]> {
  const [role, key] = splitRole(text);
  const inline = publicKeyIn(key);
  if (inline !== undefined) return { role, publicKey: inline };
  const written = publicKeyIn((textOf((await readOptional(key)) ?? utf8('')) ?? '').trim());
  if (written !== undefined) return { role, publicKey: written };
  const file = await readKeyFile(key);
  if (!file.ok) return endWith(exitCodes.usage, file.error);
  if (file.value.role !== role) endWith(exitCodes.usage, `${key} is a ${file.value.role} key`);
  return { role, publicKey: publicKeyIn(file.value.publicKey) ?? new Uint8Array(32) };
}

const publicKeyIn = (text: string): Uint8Array | undefined =>
  /^[0-9a-f]{64}$/.test(text) ? bytesOfHex(text) : undefined;

/** By key id, public key or the file of a share. */
async function removalNamed(
  text: string,
  current: Root | undefined,
): Promise<RootChange['remove'][number]> {
  const [role, key] = splitRole(text);
  if (current?.keys.has(key) === true) return { role, keyId: key };
  const { publicKey } = await keyNamed(text);
  return { role, keyId: keyIdOf(publicKey) };
}

function splitRole(text: string): readonly [TopLevelRole, string] {
  const at = text.indexOf(':');
  const role = topLevelRoles.find((name) => name === text.slice(0, at));
  return role === undefined
    ? endWith(exitCodes.usage, `${text} must start with root:, targets:, snapshot: or timestamp:`)
    : [role, text.slice(at + 1)];
}

function wholeNumber(text: string, flag: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0
    ? value
    : endWith(exitCodes.usage, `${flag} takes a whole number above 0, not ${text}`);
}
