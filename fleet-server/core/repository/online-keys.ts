import { hexOf } from '../../../shared/core/bytes.ts';
import type { OnlineRole } from '../../../shared/ports/key-store.ts';
import type { Root } from '../../../shared/trust/tuf/metadata.ts';
import { ed25519Key } from '../../../shared/trust/tuf/repository.ts';
import type { RepositoryRefusal } from './repository-refusal.ts';

/** Raw Ed25519 public keys that this server signs with. */
export type OnlinePublicKeys = ReadonlyMap<OnlineRole, Uint8Array>;

/**
 * Whether this server can go on serving under a root: its snapshot and timestamp keys are listed and suffice alone, and
 * none of its keys stands in an offline role, which would make a stolen server a signer of programs.
 */
export function refusalOfOnlineKeys(
  root: Root,
  keys: OnlinePublicKeys,
): RepositoryRefusal | undefined {
  for (const role of ['snapshot', 'timestamp'] as const) {
    const publicKey = keys.get(role);
    const listed = root.roles.get(role);
    const keyId = publicKey === undefined ? '' : ed25519Key(publicKey).keyId;
    if (listed?.keyIds.includes(keyId) !== true || listed.threshold !== 1) {
      const message = `root ${root.version} does not let this server sign ${role} alone`;
      return { code: 'online-key-unlisted', message };
    }
  }
  const homes = offlineHomes(root);
  for (const [role, publicKey] of keys) {
    const offline = homes.get(hexOf(publicKey));
    if (offline !== undefined) {
      return { code: 'key-in-two-roles', message: `the online ${role} key also signs ${offline}` };
    }
  }
  return undefined;
}

/** Public keys of the offline roles, by hexadecimal: compared by content, because a key id is only a name. */
export function offlineHomes(root: Root): ReadonlyMap<string, string> {
  const homes = new Map<string, string>();
  for (const role of ['root', 'targets']) {
    for (const keyId of root.roles.get(role)?.keyIds ?? []) {
      const key = root.keys.get(keyId);
      if (key !== undefined) homes.set(key.publicKey, role);
    }
  }
  return homes;
}
