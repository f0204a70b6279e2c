import { type Digest, type FleetId, isFleetId, type TargetPath } from '../../../shared/core/ids.ts';
import { type Bundle, type BundleStatus, everyFleet } from '../../core/model/bundle.ts';
import type { Release, ReleaseFacts } from '../../core/repository/release-rules.ts';
import type { StoreTx, StoreView } from '../../ports/store.ts';

export interface Registration {
  readonly next: ReleaseFacts;
  /** Every blob of each bundle that was not published before. */
  readonly added: ReadonlyMap<TargetPath, readonly Digest[]>;
  readonly nowMs: number;
}

/**
 * Makes the registry say what the signed targets say: a row per bundle and fleet, its blobs held, its status. Rows are
 * never removed; a bundle that leaves a fleet is deprecated there.
 */
export async function registerReleases(tx: StoreTx, registration: Registration): Promise<void> {
  const { next, added, nowMs } = registration;
  const revoked = new Set(next.revoked.map(({ digest }) => digest));
  for (const release of next.releases.values()) {
    const { path } = release;
    const blobs = added.get(path) ?? (await knownBlobs(tx, release));
    if (added.has(path)) await tx.blobs.hold(`bundle:${path}`, blobs);
    const isRevoked = revoked.has(release.digest) || blobs.some((blob) => revoked.has(blob));
    const status: BundleStatus = isRevoked ? 'revoked' : statusOf(release);
    for (const fleet of fleetsOf(release)) {
      const known = await tx.bundles.get(fleet as FleetId, path);
      if (known?.fleet === fleet) {
        if (known.status !== status) await tx.bundles.setStatus(fleet, path, status);
        continue;
      }
      const { name, version } = release.custom;
      const { digest } = release;
      const row = { fleet, path, name, version, digest, status, blobs, publishedAtMs: nowMs };
      await tx.bundles.insert(row);
    }
    await deprecateElsewhere(tx, release);
  }
}

const statusOf = ({ custom }: Release): BundleStatus =>
  custom.status === 'live' ? 'live' : 'deprecated';

const fleetsOf = ({ custom }: Release): readonly Bundle['fleet'][] =>
  custom.fleets.length === 0 ? [everyFleet] : custom.fleets.filter((fleet) => isFleetId(fleet));

async function knownBlobs(tx: StoreTx, release: Release): Promise<readonly Digest[]> {
  const named = fleetsOf(release) as readonly FleetId[];
  for (const fleet of [...named, ...(await readingFleets(tx))]) {
    const row = await tx.bundles.get(fleet, release.path);
    if (row !== null) return row.blobs;
  }
  return [];
}

async function deprecateElsewhere(tx: StoreTx, release: Release): Promise<void> {
  const named = new Set<string>(fleetsOf(release));
  for (const fleet of await readingFleets(tx)) {
    const row = await tx.bundles.get(fleet, release.path);
    if (row === null || named.has(row.fleet) || row.status !== 'live') continue;
    await tx.bundles.setStatus(row.fleet, release.path, 'deprecated');
  }
}

/** `*` reads what every fleet may see; it obeys no fleet's name, so it is asked for as one. */
export async function readingFleets(view: Pick<StoreView, 'fleets'>): Promise<readonly FleetId[]> {
  const fleets = await view.fleets.list();
  return [...fleets.map(({ fleet }) => fleet), everyFleet as string as FleetId];
}
