import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import type { OciManifest } from '../../../shared/contracts/oci-manifest.ts';
import type { Digest } from '../../../shared/core/ids.ts';

/** Every digest by which a revocation may mean this bundle: its blobs, and the bundle it descends from. */
export const bundleParts = (bundle: {
  readonly manifest: OciManifest;
  readonly config: Pick<BundleConfig, 'parent'>;
}): readonly Digest[] => {
  const { manifest, config } = bundle;
  return [
    manifest.config.digest,
    ...manifest.layers.map(({ digest }) => digest),
    ...(config.parent === undefined ? [] : [config.parent]),
  ];
};
