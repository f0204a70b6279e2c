import { OperatingError } from '../../../shared/core/operating-error.ts';
import type { Result } from '../../../shared/core/result.ts';
import type { SignedFile, Targets, TufBodies } from '../../../shared/trust/tuf/metadata.ts';
import { remoteMetadataName } from '../../../shared/trust/tuf/metadata-name.ts';
import { parseMetadata } from '../../../shared/trust/tuf/parse-metadata.ts';
import type { TrustedMetadata } from '../../core/repository/trusted-metadata.ts';
import type { StoreView } from '../../ports/store.ts';

type Files = StoreView['tufFiles'];

/**
 * What the store serves now, read from the top: root by counting up, the others as their parent lists them. Undefined
 * before the first root. Throws `store-corrupt` when a listed file is missing or unreadable.
 */
export async function readStoredMetadata(
  files: Files,
  knownRootVersion = 1,
): Promise<TrustedMetadata | undefined> {
  const root = await readNewestRoot(files, knownRootVersion);
  if (root === undefined) return undefined;
  const timestamp = await readFile(files, 'timestamp', remoteMetadataName('timestamp', undefined));
  if (timestamp === undefined) {
    return { root, timestamp: undefined, snapshot: undefined, targets: undefined };
  }
  const snapshotName = remoteMetadataName('snapshot', timestamp.body.snapshot.version);
  const snapshot = need(await readFile(files, 'snapshot', snapshotName), snapshotName);
  const listed = snapshot.body.meta.get('targets.json')?.version;
  const targetsName = remoteMetadataName('targets', listed);
  const targets = need(await readFile(files, 'targets', targetsName), targetsName);
  return { root, timestamp, snapshot, targets };
}

/** The delegated file that snapshot lists; undefined before its first version. */
export async function readDelegated(
  files: Files,
  role: string,
  { snapshot }: Pick<TrustedMetadata, 'snapshot'>,
): Promise<SignedFile<Targets> | undefined> {
  const listed = snapshot?.body.meta.get(`${role}.json`);
  if (listed === undefined) return undefined;
  const name = remoteMetadataName(role, listed.version);
  return need(await readFile(files, 'targets', name), name);
}

async function readNewestRoot(files: Files, knownVersion: number) {
  let newest = await readFile(files, 'root', remoteMetadataName('root', knownVersion));
  while (newest !== undefined) {
    const name = remoteMetadataName('root', newest.body.version + 1);
    const next = await readFile(files, 'root', name);
    if (next === undefined) return newest;
    newest = next;
  }
  return undefined;
}

async function readFile<K extends keyof TufBodies>(
  files: Files,
  kind: K,
  name: string,
): Promise<SignedFile<TufBodies[K]> | undefined> {
  const stored = await files.get(name);
  if (stored === null) return undefined;
  const parsed: Result<SignedFile<TufBodies[K]>, { readonly message: string }> = parseMetadata(
    kind,
    stored.bytes,
  );
  if (parsed.ok) return parsed.value;
  throw new OperatingError('store-corrupt', `${name}: ${parsed.error.message}`);
}

function need<T>(file: T | undefined, name: string): T {
  if (file === undefined) throw new OperatingError('store-corrupt', `${name} is not stored`);
  return file;
}
