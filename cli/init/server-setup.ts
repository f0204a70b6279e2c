import { join } from 'node:path';
import { createOnlineKeys, FileKeyStore } from '../../fleet-server/adapters/keys/file-key-store.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { OnlineRole } from '../../shared/ports/key-store.ts';
import { handedKeys, handoutOf } from '../keys/online-handout.ts';
import { fingerprint } from '../keys/root-proposal.ts';
import { jsonBytes, writeDurably } from '../keys/workspace.ts';

export interface ServerSetup {
  /** Folder of the secret keys; it never leaves the server. */
  readonly keys: string;
  /** Their public halves, for those who sign root and targets. */
  readonly handout: string;
  /** To be compared aloud with what the signing machines show. */
  readonly fingerprints: readonly (readonly [OnlineRole, string])[];
}

/**
 * The online keys of a server (snapshot, timestamp, director, audit, federated) and a file with their public halves.
 * Throws `secret-file-exists` where keys lie already: they are never overwritten.
 */
export async function setUpServer(
  data: string,
  sealed: { readonly passphrase?: string } = {},
): Promise<ServerSetup> {
  const folder = join(data, 'keys');
  try {
    await createOnlineKeys({ folder, ...sealed });
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') {
      throw new OperatingError('secret-file-exists', `${folder} holds keys already`, { cause });
    }
    throw cause;
  }
  const handout = handoutOf(await FileKeyStore.open({ folder, ...sealed }));
  const path = join(data, 'online-keys.json');
  await writeDurably(path, jsonBytes(handout));
  const fingerprints = handedKeys(handout).map(([role, key]) => [role, fingerprint(key)] as const);
  return { keys: folder, handout: path, fingerprints };
}
