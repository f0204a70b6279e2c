import type { BundleConfig } from '../../shared/contracts/bundle-config.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { OciManifest } from '../../shared/contracts/oci-manifest.ts';
import type { Digest } from '../../shared/core/ids.ts';
import type { Result } from '../../shared/core/result.ts';
import { type Lineage, lineageOf } from '../../shared/trust/revoked-bundles.ts';

/** Whoever reads a bundle by the digest of its manifest, from the disk alone. */
interface BundleForms {
  readForm(
    digest: Digest,
  ): Promise<Result<{ readonly manifest: OciManifest; readonly config: BundleConfig }, unknown>>;
}

/**
 * What these bundles consist of and descend from, with every ancestor whose manifest and configuration are still on
 * this disk: the line ends at the first that is not.
 */
export async function readLineages(
  installer: BundleForms,
  digests: Iterable<Digest>,
): Promise<ReadonlyMap<Digest, Lineage>> {
  const known = new Map<Digest, Lineage>();
  for (const digest of digests) {
    let next: Digest | undefined = digest;
    for (
      let i = 0;
      next !== undefined && i <= limits.ancestorsReadMax && !known.has(next);
      i += 1
    ) {
      const bundle: Awaited<ReturnType<BundleForms['readForm']>> = await installer.readForm(next);
      if (!bundle.ok) break;
      const lineage = lineageOf(bundle.value);
      known.set(next, lineage);
      next = lineage.parent;
    }
  }
  return known;
}
