import { decodeBundle, decodeManifest } from '../../../shared/codec/bundle.ts';
import type { Revoked } from '../../../shared/contracts/bundle-config.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import { type Lineage, lineageOf, revokedBundles } from '../../../shared/trust/revoked-bundles.ts';
import type { Release } from '../../core/repository/release-rules.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import { readWhole } from './check-stored-bundle.ts';

/** What stands in `revoked.json`, and every signed bundle that it means. */
export interface Revocations {
  /** By an entry that says `stop`. */
  readonly stopped: ReadonlySet<Digest>;
  /** By any entry: nothing offers these again. */
  readonly listed: ReadonlySet<Digest>;
}

/** Finds the bundles that a list of bundles, blobs and ancestors means. A lineage never changes: each is read once. */
export class RevocationReach {
  readonly #blobs: BlobStore;
  /** At most one for each signed release. */
  readonly #lineages = new Map<Digest, Lineage>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** A failing BlobStore throws: what is not known to be allowed must not be served as if it were. */
  async of(list: Revoked['revoked'], releases: readonly Release[]): Promise<Revocations> {
    if (list.length === 0) return { stopped: new Set(), listed: new Set() };
    for (const release of releases) {
      if (this.#lineages.has(release.digest)) continue;
      const lineage = await this.#read(release);
      if (lineage !== undefined) this.#lineages.set(release.digest, lineage);
    }
    const reach = (entries: Revoked['revoked']): ReadonlySet<Digest> => {
      const named = new Set(entries.map(({ digest }) => digest));
      return new Set([...named, ...revokedBundles(named, this.#lineages)]);
    };
    return { stopped: reach(list.filter(({ then }) => then === 'stop')), listed: reach(list) };
  }

  /** Undefined where the manifest or its configuration has rotted: nobody can fetch such a bundle from here either. */
  async #read({ digest, bytes }: Release): Promise<Lineage | undefined> {
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
    return bundle.ok ? lineageOf(bundle.value) : undefined;
  }
}
