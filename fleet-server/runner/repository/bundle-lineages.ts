import { decodeBundle, decodeManifest } from '../../../shared/codec/bundle.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import { type Lineage, lineageOf } from '../../../shared/trust/revoked-bundles.ts';
import type { Release } from '../../core/repository/release-rules.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import { readWhole } from './check-stored-bundle.ts';

export interface BundlePapers extends Lineage {
  /** Of the configuration. With the manifest it says what a bundle was, long after its content went. */
  readonly config: Digest;
}

/** What signed bundles hold and descend from. That never changes: each is read once. */
export class BundleLineages {
  readonly #blobs: BlobStore;
  /** At most one for each signed release. */
  readonly #known = new Map<Digest, BundlePapers>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** Undefined where the manifest or its configuration has rotted: nobody can fetch such a bundle from here either. */
  async of(release: Release): Promise<BundlePapers | undefined> {
    const known = this.#known.get(release.digest);
    if (known !== undefined) return known;
    const papers = await this.#read(release);
    if (papers !== undefined) this.#known.set(release.digest, papers);
    return papers;
  }

  async #read({ digest, bytes }: Release): Promise<BundlePapers | undefined> {
    const size = { bytes, max: limits.manifestBytesMax };
    const manifestBytes = await readWhole(this.#blobs, digest, size);
    const manifest = manifestBytes.ok ? decodeManifest(manifestBytes.value) : undefined;
    if (!manifestBytes.ok || manifest?.ok !== true) return undefined;
    const { config } = manifest.value;
    const configBytes = await readWhole(this.#blobs, config.digest, {
      bytes: config.size,
      max: limits.bundleConfigBytesMax,
    });
    if (!configBytes.ok) return undefined;
    const bundle = decodeBundle(manifestBytes.value, configBytes.value);
    return bundle.ok ? { ...lineageOf(bundle.value), config: config.digest } : undefined;
  }
}
