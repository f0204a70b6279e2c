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
  /** Each bundle that was not published before. */
  readonly added: ReadonlyMap<TargetPath, Pick<StoredBundle, 'blobs' | 'config'>>;
  readonly nowMs: number;
}

/**
 * Makes the registry say what the signed targets say: a row per bundle and fleet, its blobs held, its status. Rows are
 * never removed; a bundle that leaves a fleet is deprecated there.
 */
export async function registerReleases(tx: StoreTx, registration: Registration): Promise<void> {
  const { next, others, revoked, added, nowMs } = registration;
  for (const release of next.releases.values()) {
    const { path } = release;
    const fresh = added.get(path);
    const stored = fresh === undefined ? await knownBundle(tx, release) : undefined;
    const blobs = fresh?.blobs ?? stored?.blobs ?? [];
    const minAgent = fresh?.config.minAgent ?? stored?.minAgent ?? null;
    if (fresh !== undefined) await tx.blobs.hold(`bundle:${path}`, blobs);
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
      const what = { fleet, path, name, version, digest, status, blobs, minAgent };
      await tx.bundles.insert({ ...what, publishedAtMs: nowMs });
    }
    await deprecateElsewhere(tx, release);
  }
  for (const release of others) {
    if (revoked.has(release.digest)) await markRevoked(tx, release);
  }
}

async function markRevoked(tx: StoreTx, release: Release): Promise<void> {
  for (const fleet of fleetsOf(release)) {
    const row = await tx.bundles.get(fleet as FleetId, release.path);
    if (row?.fleet !== fleet || row.status === 'revoked') continue;
    await tx.bundles.setStatus(fleet, release.path, 'revoked');
  }
}

const statusOf = ({ custom }: Release): BundleStatus =>
  custom.status === 'live' ? 'live' : 'deprecated';

const fleetsOf = ({ custom }: Release): readonly Bundle['fleet'][] =>
  custom.fleets.length === 0 ? [everyFleet] : custom.fleets.filter((fleet) => isFleetId(fleet));

async function knownBundle(tx: StoreTx, release: Release): Promise<Bundle | undefined> {
  const named = fleetsOf(release) as readonly FleetId[];
  for (const fleet of [...named, ...(await readingFleets(tx))]) {
    const row = await tx.bundles.get(fleet, release.path);
    if (row !== null) return row;
  }
  return undefined;
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
