import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Root, TopLevelRole } from '../../shared/trust/tuf/metadata.ts';
import {
  ed25519Key,
  type RoleGrant,
  rootBody,
  signBody,
  type TufPublicKey,
} from '../../shared/trust/tuf/repository.ts';

/** A change of the root of trust, before anybody has signed it. */
export interface RootChange {
  readonly add: readonly { readonly role: TopLevelRole; readonly publicKey: Uint8Array }[];
  /** TUF key ids; a removed key is gone from the role at the moment the new root is published. */
  readonly remove: readonly { readonly role: TopLevelRole; readonly keyId: string }[];
  readonly thresholds: ReadonlyMap<TopLevelRole, number>;
  readonly expiresAtMs: number;
}

export interface ProposalProblem {
  readonly code: 'key-unknown' | 'threshold-impossible' | 'key-in-two-roles';
  readonly message: string;
}

const roleNames: readonly TopLevelRole[] = ['root', 'timestamp', 'snapshot', 'targets'];

/** Unsigned root metadata, one version after `current` (or version 1). */
export function proposeRoot(
  current: Root | undefined,
  change: RootChange,
): Result<Uint8Array, ProposalProblem> {
  const grants = new Map<TopLevelRole, RoleGrant>();
  for (const role of roleNames) {
    const grant = nextGrant(role, current, change);
    if (!grant.ok) return grant;
    grants.set(role, grant.value);
  }
  const twice = keyInTwoRoles(grants);
  if (twice !== undefined) {
    return problem('key-in-two-roles', `key ${twice} stands in two roles; one key, one purpose`);
  }
  const [root, timestamp, snapshot, targets] = roleNames.map((role) => grants.get(role));
  if (!root || !timestamp || !snapshot || !targets) {
    return problem('threshold-impossible', 'a role is missing');
  }
  const body = rootBody({
    version: (current?.version ?? 0) + 1,
    expiresAtMs: change.expiresAtMs,
    roles: { root, timestamp, snapshot, targets },
  });
  return ok(signBody(body, []));
}

function nextGrant(
  role: TopLevelRole,
  current: Root | undefined,
  change: RootChange,
): Result<RoleGrant, ProposalProblem> {
  const before = current?.roles.get(role);
  const keys = new Map<string, TufPublicKey>();
  for (const keyId of before?.keyIds ?? []) {
    const key = current?.keys.get(keyId);
    if (key !== undefined) keys.set(keyId, { keyId, json: key.json });
  }
  for (const removal of change.remove.filter((entry) => entry.role === role)) {
    if (!keys.delete(removal.keyId)) {
      return problem('key-unknown', `${role} has no key ${removal.keyId}`);
    }
  }
  for (const addition of change.add.filter((entry) => entry.role === role)) {
    const key = ed25519Key(addition.publicKey);
    keys.set(key.keyId, key);
  }
  const threshold = change.thresholds.get(role) ?? before?.threshold ?? 1;
  if (threshold < 1 || threshold > keys.size) {
    return problem(
      'threshold-impossible',
      `${role} needs ${threshold} signatures of ${keys.size} keys`,
    );
  }
  return ok({ keys: [...keys.values()], threshold });
}

function keyInTwoRoles(grants: ReadonlyMap<TopLevelRole, RoleGrant>): string | undefined {
  const seen = new Set<string>();
  for (const { keys } of grants.values()) {
    for (const { keyId } of keys) {
      if (seen.has(keyId)) return keyId;
      seen.add(keyId);
    }
  }
  return undefined;
}

/** TUF key id of a raw Ed25519 public key. */
export const keyIdOf = (publicKey: Uint8Array): string => ed25519Key(publicKey).keyId;

/** A short form for people to compare aloud: the first eight hexadecimal characters of each half. */
export const fingerprint = (publicKey: Uint8Array): string => {
  const id = keyIdOf(publicKey);
  return `${id.slice(0, 8)}-${id.slice(32, 40)}`;
};

const problem = (code: ProposalProblem['code'], message: string): Result<never, ProposalProblem> =>
  err({ code, message });
