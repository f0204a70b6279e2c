import type {
  DirectorKeys,
  Revoked,
  TargetCustom,
} from '../../../shared/contracts/bundle-config.ts';
import type { Digest, TargetPath } from '../../../shared/core/ids.ts';
import { ok, type Result } from '../../../shared/core/result.ts';
import { type RepositoryRefusal, refuse } from './repository-refusal.ts';

/** One bundle as its target names it. */
export interface Release {
  readonly path: TargetPath;
  /** Of the manifest. */
  readonly digest: Digest;
  /** Length of the manifest in bytes. */
  readonly bytes: number;
  readonly custom: TargetCustom;
}

/** What a targets file says beyond TUF, decoded. */
export interface TargetsFacts {
  readonly releases: ReadonlyMap<TargetPath, Release>;
  /** Least release counter that may be live, by bundle name. */
  readonly rollbackFloor: ReadonlyMap<string, number>;
  readonly director: DirectorKeys;
  readonly revoked: Revoked['revoked'];
}

export type ReleaseFacts = Pick<TargetsFacts, 'releases' | 'rollbackFloor' | 'revoked'>;

/** Published is published, floors and revocations only grow, director keys never go back. */
export function checkTargetsFacts(
  before: TargetsFacts | undefined,
  next: TargetsFacts,
): Result<void, RepositoryRefusal> {
  for (const [name, floor] of before?.rollbackFloor ?? []) {
    const after = next.rollbackFloor.get(name) ?? 0;
    if (after < floor) {
      return refuse(
        'rollback-floor-lowered',
        `the floor of ${name} fell from ${floor} to ${after}`,
      );
    }
  }
  const revokedThen = new Map(next.revoked.map(({ digest, then }) => [digest, then]));
  const unrevoked = before?.revoked.find(({ digest }) => !revokedThen.has(digest));
  if (unrevoked !== undefined) {
    return refuse('revocation-lost', `${unrevoked.digest} is no longer revoked`);
  }
  const softened = before?.revoked.find(
    ({ digest, then }) => then === 'stop' && revokedThen.get(digest) !== 'stop',
  );
  if (softened !== undefined) {
    return refuse('revocation-lost', `${softened.digest} was to be stopped and no longer is`);
  }
  if (before !== undefined && isOlderDirector(before.director, next.director)) {
    const message = `director.json ${next.director.version} after ${before.director.version}`;
    return refuse('director-keys-older', message);
  }
  return checkReleases(before, next);
}

/** The part that holds for delegated files too, under the floors and revocations of the top-level one. */
export function checkReleases(
  before: Pick<TargetsFacts, 'releases'> | undefined,
  next: ReleaseFacts,
): Result<void, RepositoryRefusal> {
  const highest = new Map<string, number>();
  for (const { path, digest, custom } of before?.releases.values() ?? []) {
    highest.set(custom.name, Math.max(custom.releaseCounter, highest.get(custom.name) ?? 0));
    const after = next.releases.get(path);
    if (after === undefined) return refuse('release-lost', `${path} is no longer signed`);
    const isSame = after.digest === digest && after.custom.releaseCounter === custom.releaseCounter;
    if (!isSame) return refuse('release-changed', `${path} has another digest or release counter`);
  }
  const revoked = new Set(next.revoked.map(({ digest }) => digest));
  const fresh = [...next.releases.values()]
    .filter(({ path }) => before?.releases.has(path) !== true)
    .sort((a, b) => a.custom.releaseCounter - b.custom.releaseCounter);
  for (const { path, custom } of fresh) {
    const top = highest.get(custom.name) ?? 0;
    if (custom.releaseCounter <= top) {
      return refuse('release-counter-low', `${path} has ${custom.releaseCounter}, ${top} is taken`);
    }
    highest.set(custom.name, custom.releaseCounter);
  }
  for (const { path, digest, custom } of next.releases.values()) {
    if (custom.status !== 'live') continue;
    const floor = next.rollbackFloor.get(custom.name) ?? 0;
    if (custom.releaseCounter < floor) {
      return refuse('below-rollback-floor', `${path} is live with a counter below ${floor}`);
    }
    if (revoked.has(digest)) return refuse('digest-revoked', `${path} is live and revoked`);
  }
  return ok(undefined);
}

/** Equal keys under an equal version are the same file; other keys need a higher version. */
function isOlderDirector(before: DirectorKeys, next: DirectorKeys): boolean {
  if (next.version !== before.version) return next.version < before.version;
  const same = (a: readonly string[], b: readonly string[]): boolean =>
    a.length === b.length && a.every((key, place) => key === b[place]);
  return !same(before.keys, next.keys) || !same(before.auditKeys, next.auditKeys);
}
