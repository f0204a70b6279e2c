import { type Digest, type FleetId, isFleetId, type TargetPath } from '../../../shared/core/ids.ts';
import { type Bundle, type BundleStatus, everyFleet } from '../../core/model/bundle.ts';
import type { Release, TargetsFacts } from '../../core/repository/release-rules.ts';
import type { StoreTx, StoreView } from '../../ports/store.ts';
import type { StoredBundle } from './check-stored-bundle.ts';

export interface Registration {
  readonly next: Pick<TargetsFacts, 'releases'>;
  /** Signed bundles of other files, which the same revocations may mean. */
  readonly others: readonly Release[];
  /** What is listed, with every bundle it means. */
  readonly revoked: ReadonlySet<Digest>;
  /** Each bundle whose blobs were looked at: not published before, or live again after its content was let go. */
  readonly checked: ReadonlyMap<TargetPath, Pick<StoredBundle, 'blobs' | 'config'>>;
  readonly nowMs: number;
}

/**
 * Makes the registry say what the signed targets say: a row per bundle and fleet, its blobs held, its status. Rows are
 * never removed; a bundle that leaves a fleet is deprecated there.
 */
export async function registerReleases(tx: StoreTx, registration: Registration): Promise<void> {
  const { next, others, revoked, checked, nowMs } = registration;
  for (const release of next.releases.values()) {
    const { path } = release;
    const fresh = checked.get(path);
    const stored = fresh === undefined ? await knownBundle(tx, release) : undefined;
    const contentReleasedAtMs = stored?.contentReleasedAtMs ?? null;
    const blobs = fresh?.blobs ?? stored?.blobs ?? [];
    const minAgent = fresh?.config.minAgent ?? stored?.minAgent ?? null;
    if (fresh !== undefined) {
      await tx.blobs.hold(bundleHolder(path), blobs);
      await tx.bundles.setContentReleased(path, null);
    }
    const isRevoked = revoked.has(release.digest) || blobs.some((blob) => revoked.has(blob));
    const status: BundleStatus = isRevoked ? 'revoked' : statusOf(release);
    for (const fleet of fleetsOf(release)) {
      const known = await tx.bundles.get(fleet as FleetId, path);
      if (known?.fleet === fleet) {
        if (known.status !== status) await tx.bundles.setStatus(fleet, path, { status, nowMs });
        continue;
      }
      const { name, version } = release.custom;
      const { digest } = release;
      const what = { fleet, path, name, version, digest, status, blobs, minAgent };
      const since = { publishedAtMs: nowMs, statusSinceMs: nowMs, contentReleasedAtMs };
      await tx.bundles.insert({ ...what, ...since });
    }
    await deprecateElsewhere(tx, release, nowMs);
  }
  for (const release of others) {
    if (revoked.has(release.digest)) await markRevoked(tx, release, nowMs);
  }
}

async function markRevoked(tx: StoreTx, release: Release, nowMs: number): Promise<void> {
  for (const fleet of fleetsOf(release)) {
    const row = await tx.bundles.get(fleet as FleetId, release.path);
    if (row?.fleet !== fleet || row.status === 'revoked') continue;
    await tx.bundles.setStatus(fleet, release.path, { status: 'revoked', nowMs });
  }
}

/** The one holder of a path's blobs, whichever fleets read it. */
export const bundleHolder = (path: TargetPath): string => `bundle:${path}`;

const statusOf = ({ custom }: Release): BundleStatus =>
  custom.status === 'live' ? 'live' : 'deprecated';

/** Fleets that read a release; none where only names are listed that no fleet can have. */
export const fleetsOf = ({ custom }: Release): readonly Bundle['fleet'][] =>
  custom.fleets.length === 0 ? [everyFleet] : custom.fleets.filter((fleet) => isFleetId(fleet));

async function knownBundle(tx: StoreTx, release: Release): Promise<Bundle | undefined> {
  const named = fleetsOf(release) as readonly FleetId[];
  for (const fleet of [...named, ...(await readingFleets(tx))]) {
    const row = await tx.bundles.get(fleet, release.path);
    if (row !== null) return row;
  }
  return undefined;
}

async function deprecateElsewhere(tx: StoreTx, release: Release, nowMs: number): Promise<void> {
  const named = new Set<string>(fleetsOf(release));
  for (const fleet of await readingFleets(tx)) {
    const row = await tx.bundles.get(fleet, release.path);
    if (row === null || named.has(row.fleet) || row.status !== 'live') continue;
    await tx.bundles.setStatus(row.fleet, release.path, { status: 'deprecated', nowMs });
  }
}

/** `*` reads what every fleet may see; it obeys no fleet's name, so it is asked for as one. */
export async function readingFleets(view: Pick<StoreView, 'fleets'>): Promise<readonly FleetId[]> {
  const fleets = await view.fleets.list();
  return [...fleets.map(({ fleet }) => fleet), everyFleet as string as FleetId];
}
