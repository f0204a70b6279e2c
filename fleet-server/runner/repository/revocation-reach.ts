import type { Revoked } from '../../../shared/contracts/bundle-config.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import { type Lineage, revokedBundles } from '../../../shared/trust/revoked-bundles.ts';
import type { Release } from '../../core/repository/release-rules.ts';
import type { BundleLineages } from './bundle-lineages.ts';

/** What stands in `revoked.json`, and every signed bundle that it means. */
export interface Revocations {
  /** By an entry that says `stop`. */
  readonly stopped: ReadonlySet<Digest>;
  /** By any entry: nothing offers these again. */
  readonly listed: ReadonlySet<Digest>;
}

/**
 * Finds the bundles that a list of bundles, blobs and ancestors means. A failing BlobStore throws: what is not known to
 * be allowed must not be served as if it were.
 */
export async function findRevocations(
  list: Revoked['revoked'],
  releases: readonly Release[],
  lineages: BundleLineages,
): Promise<Revocations> {
  if (list.length === 0) return { stopped: new Set(), listed: new Set() };
  const known = new Map<Digest, Lineage>();
  for (const release of releases) {
    const lineage = await lineages.of(release);
    if (lineage !== undefined) known.set(release.digest, lineage);
  }
  const reach = (entries: Revoked['revoked']): ReadonlySet<Digest> => {
    const named = new Set(entries.map(({ digest }) => digest));
    return new Set([...named, ...revokedBundles(named, known)]);
  };
  return { stopped: reach(list.filter(({ then }) => then === 'stop')), listed: reach(list) };
}
