import { limits } from '../../shared/contracts/limits.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { JsonObject } from '../../shared/trust/strict-json.ts';
import { isListedFile } from '../../shared/trust/tuf/file-hash.ts';
import type { Root, SignedFile, Targets } from '../../shared/trust/tuf/metadata.ts';
import { remoteMetadataName } from '../../shared/trust/tuf/metadata-name.ts';
import { parseMetadata } from '../../shared/trust/tuf/parse-metadata.ts';
import { targetsBody } from '../../shared/trust/tuf/repository.ts';
import { verifyLocal } from '../../shared/trust/tuf/verify-metadata.ts';
import { proposalPath, readOptional, type Workspace } from '../keys/workspace.ts';
import { valueOrEnd } from './command-end.ts';
import { fetchFixed, type OperatorTrust, openOperatorTrust } from './repository-access.ts';

/**
 * `next`: what a client that trusts this home's root accepts now. `first`: nothing was ever published. `again`: what
 * was published stands, but a client does not accept it any more, because it has expired or root has dropped its keys.
 */
export type BaseKind = 'next' | 'first' | 'again';

/** What the next targets file is a change of. */
export interface SigningBase {
  /** Version 0 and empty before the first file; empty also where this home has not seen the published one. */
  readonly body: JsonObject;
  readonly root: Root;
  /** Whether this home verified or signed the published file while it was accepted. */
  readonly isSeen: boolean;
  /** A fixed target of the published file; undefined before the first. Throws where it is not served as signed. */
  readonly readFixed: (name: string) => Promise<Uint8Array | undefined>;
}

/** Throws the failure's code as an OperatingError. */
export async function openSigningBase(
  home: Workspace,
  options: { readonly where: string; readonly nowMs: number; readonly kind: BaseKind },
): Promise<SigningBase> {
  const { where, nowMs, kind } = options;
  const trust = await openOperatorTrust(home, where);
  const refreshed = await trust.client.refresh({ kind: 'trusted', nowMs });
  if (refreshed.ok) {
    if (kind === 'first') throw begun(`${where} serves targets already`);
    const file = valueOrEnd(
      parseMetadata('targets', (await trust.store.read('targets')) ?? new Uint8Array(0)),
    );
    return { ...baseOf(trust, file), root: refreshed.value.root, isSeen: true };
  }
  const { code, subject, message } = refreshed.error;
  if (kind === 'first' && code === 'tuf-missing-metadata' && subject === 'timestamp') {
    return firstBase(trust);
  }
  if (code === 'tuf-expired-targets' || code === 'tuf-threshold-targets') {
    if (kind === 'again') return publishedBase(home, trust);
    throw new OperatingError(code, `${message}; --again signs it once more`);
  }
  const isEmpty = code === 'tuf-missing-metadata' && subject === 'timestamp';
  throw new OperatingError(code, isEmpty ? `${message}; --first begins a repository` : message);
}

/** A repository that says it is empty is believed only by a home that has never seen it otherwise. */
async function firstBase({ store, source }: OperatorTrust): Promise<SigningBase> {
  if ((await store.read('targets')) !== undefined) {
    throw begun('this home has seen targets of this root before; the repository hides them');
  }
  const bytesMax = limits.tufTargetsBytesMax;
  if ((await source.fetch(remoteMetadataName('targets', 1), { bytesMax })) !== undefined) {
    throw begun('the repository serves targets already');
  }
  const root = valueOrEnd(await store.readRoot()).body;
  return { ...emptyBase(0), root, isSeen: true };
}

/**
 * The file that the newest snapshot lists. Its own signatures do not count any more, so it is a base only where this
 * home knows the very same content; elsewhere everything in it counts as new and is shown.
 */
async function publishedBase(home: Workspace, trust: OperatorTrust): Promise<SigningBase> {
  const { store, source } = trust;
  const root = valueOrEnd(await store.readRoot()).body;
  const snapshot = valueOrEnd(
    verifyLocal('snapshot', (await store.read('snapshot')) ?? new Uint8Array(0), root),
  );
  const listed = snapshot.body.meta.get('targets.json');
  const name = remoteMetadataName('targets', listed?.version);
  const bytes = await source.fetch(name, { bytesMax: limits.tufTargetsBytesMax });
  if (listed === undefined || bytes === undefined || !isListedFile(bytes, listed)) {
    throw new OperatingError('tuf-hash-mismatch', `${name} is not served as snapshot lists it`);
  }
  const file = valueOrEnd(parseMetadata('targets', bytes));
  if (file.body.version !== listed.version) {
    throw new OperatingError('tuf-version-mismatch', `${name} holds ${file.body.version}`);
  }
  const known = [await store.read('targets'), await readOptional(proposalPath(home, 'targets'))];
  const isSeen = known.some((own) => own !== undefined && isSameContent(own, file));
  const base = baseOf(trust, file);
  return isSeen
    ? { ...base, root, isSeen }
    : { ...emptyBase(listed.version), readFixed: base.readFixed, root, isSeen };
}

const baseOf = (
  { source }: OperatorTrust,
  file: SignedFile<Targets>,
): Pick<SigningBase, 'body' | 'readFixed'> => ({
  body: file.signed,
  readFixed: (name) => fetchFixed(source, file.body, name),
});

const emptyBase = (version: number): Pick<SigningBase, 'body' | 'readFixed'> => ({
  body: targetsBody({ version, expiresAtMs: 0, targets: [] }),
  readFixed: async () => undefined,
});

/** Apart from its signatures: a co-signer adds one after this home has signed. */
function isSameContent(own: Uint8Array, file: SignedFile<Targets>): boolean {
  const parsed = parseMetadata('targets', own);
  return parsed.ok && canonicalJson(parsed.value.signed) === canonicalJson(file.signed);
}

const begun = (message: string): OperatingError => new OperatingError('repository-begun', message);
