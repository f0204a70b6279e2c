import type { BundleConfig } from '../contracts/bundle-config.ts';
import type { OciManifest } from '../contracts/oci-manifest.ts';
import type { Digest } from '../core/ids.ts';

/** What a revocation may mean a bundle by, besides its own digest. */
export interface Lineage {
  /** Configuration and layers. */
  readonly blobs: readonly Digest[];
  /** Digest of the bundle it descends from. */
  readonly parent: Digest | undefined;
}

export const lineageOf = (bundle: {
  readonly manifest: OciManifest;
  readonly config: Pick<BundleConfig, 'parent'>;
}): Lineage => {
  const { manifest, config } = bundle;
  const blobs = [manifest.config.digest, ...manifest.layers.map(({ digest }) => digest)];
  return { blobs, parent: config.parent };
};

/**
 * Which of the known bundles a list of revocations means: those whose digest or blob is listed, and everything that
 * descends from a listed or a revoked bundle. One rule for server and device, so that neither offers what the other
 * refuses. Linear in the known bundles and their blobs; a chain that leads out of them ends there.
 */
export function revokedBundles(
  listed: ReadonlySet<Digest>,
  known: ReadonlyMap<Digest, Lineage>,
): ReadonlySet<Digest> {
  const childrenOf = new Map<Digest, Digest[]>();
  const revoked = new Set<Digest>();
  for (const [digest, { blobs, parent }] of known) {
    if (parent !== undefined) {
      const children = childrenOf.get(parent) ?? [];
      childrenOf.set(parent, children);
      children.push(digest);
    }
    const isMeant = listed.has(digest) || blobs.some((blob) => listed.has(blob));
    if (isMeant || (parent !== undefined && listed.has(parent))) revoked.add(digest);
  }
  // A set visits what is added while it is walked, and each digest once.
  for (const digest of revoked) {
    for (const child of childrenOf.get(digest) ?? []) revoked.add(child);
  }
  return revoked;
}
