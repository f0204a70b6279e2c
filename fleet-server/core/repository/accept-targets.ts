import { isTargetPath } from '../../../shared/core/ids.ts';
import { ok, type Result } from '../../../shared/core/result.ts';
import type {
  DelegatedRole,
  Delegations,
  Root,
  SignedFile,
  Targets,
} from '../../../shared/trust/tuf/metadata.ts';
import { parseMetadata } from '../../../shared/trust/tuf/parse-metadata.ts';
import { meetsThreshold } from '../../../shared/trust/tuf/signature.ts';
import type { Delegator } from '../../../shared/trust/tuf/verify-metadata.ts';
import { offlineHomes } from './online-keys.ts';
import { type RepositoryRefusal, refuse } from './repository-refusal.ts';
import { federatedRole, fleetOfRole } from './upload-name.ts';

/** Targets of fixed names: what every device reads after each refresh. */
export const fixedTargets = ['director.json', 'revoked.json'] as const;

export interface TargetsOffer {
  readonly bytes: Uint8Array;
  /** `targets`, or a delegated role. */
  readonly role: string;
  readonly delegator: Delegator;
  /** Version that is served now; 0 before the first. */
  readonly trustedVersion: number;
  readonly nowMs: number;
}

/** Signatures, version and expiry as every device will check them (5.6.3 to 5.6.5), before anything is served. */
export function acceptTargets(offer: TargetsOffer): Result<SignedFile<Targets>, RepositoryRefusal> {
  const { bytes, role, delegator, trustedVersion, nowMs } = offer;
  const parsed = parseMetadata('targets', bytes);
  if (!parsed.ok) return refuse(parsed.error.code, parsed.error.message);
  if (!meetsThreshold(parsed.value, delegator.keyRing, delegator.role)) {
    return refuse('tuf-threshold-targets', `${role} is not signed by its threshold`);
  }
  const { version, expiresAtMs } = parsed.value.body;
  // Top-level versions are counted by people on their own machines; the server's own leap (see `versionAfter`).
  const isNext = role === 'targets' ? version === trustedVersion + 1 : version > trustedVersion;
  if (!isNext) {
    return refuse('metadata-not-next', `${role} ${version} does not follow ${trustedVersion}`);
  }
  return expiresAtMs <= nowMs
    ? refuse('tuf-expired-targets', `${role} ${version} has expired`)
    : parsed;
}

/** The form of the top-level file: known paths, known delegations, no role lost. */
export function checkTopLevel(
  root: Root,
  next: Targets,
  before: Targets | undefined,
): Result<void, RepositoryRefusal> {
  for (const path of next.targets.keys()) {
    const isBundle = isTargetPath(path) && path.startsWith('bundles/');
    if (!isBundle && !fixedTargets.some((name) => name === path)) {
      return refuse('target-path-refused', `targets may not name ${path.slice(0, 200)}`);
    }
  }
  for (const name of fixedTargets) {
    if (!next.targets.has(name)) return refuse('fixed-target-missing', `${name} is not signed`);
  }
  const known = new Set(next.delegations?.roles.map(({ name }) => name));
  const lost = before?.delegations?.roles.find(({ name }) => !known.has(name));
  // Snapshot lists a role for ever (5.5.5), so a delegation that vanished would leave it unverifiable.
  if (lost !== undefined) return refuse('role-lost', `${lost.name} is no longer delegated`);
  return next.delegations === undefined ? ok(undefined) : checkDelegations(root, next.delegations);
}

function checkDelegations(root: Root, delegations: Delegations): Result<void, RepositoryRefusal> {
  if (delegations.succinct !== undefined) {
    return refuse('delegation-refused', 'succinct roles are not used here');
  }
  const offline = offlineHomes(root);
  for (const role of delegations.roles) {
    if (!isFederated(role)) return refuse('delegation-refused', `${role.name} is not a fleet's`);
    for (const keyId of role.keyIds) {
      const home = offline.get(delegations.keys.get(keyId)?.publicKey ?? '');
      if (home !== undefined) {
        return refuse('key-in-two-roles', `the key of ${role.name} also signs ${home}`);
      }
    }
  }
  return ok(undefined);
}

function isFederated({ name, terminating, match }: DelegatedRole): boolean {
  const fleet = fleetOfRole(name);
  return (
    fleet !== undefined &&
    terminating &&
    match.by === 'paths' &&
    match.patterns.length === 1 &&
    match.patterns[0] === `federated/${fleet}/*`
  );
}

/** A delegated file names its own fleet's candidates and delegates no further. */
export function checkDelegated(fleet: string, next: Targets): Result<void, RepositoryRefusal> {
  for (const path of next.targets.keys()) {
    if (!isTargetPath(path) || !path.startsWith(`federated/${fleet}/`)) {
      const message = `${federatedRole(fleet)} may not name ${path.slice(0, 200)}`;
      return refuse('target-path-refused', message);
    }
  }
  return next.delegations === undefined
    ? ok(undefined)
    : refuse('delegation-refused', `${federatedRole(fleet)} may not delegate`);
}
