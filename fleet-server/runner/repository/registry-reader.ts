import { limits } from '../../../shared/contracts/limits.ts';
import { type Digest, type FleetId, isDigest, isTargetPath } from '../../../shared/core/ids.ts';
import { collect } from '../../../shared/trust/tuf/metadata-source.ts';
import type { Bundle } from '../../core/model/bundle.ts';
import type { BlobRange, BlobStore } from '../../ports/blob-store.ts';
import type { Store, StoreView } from '../../ports/store.ts';
import { readingFleets } from './register-releases.ts';

/** What a caller may read: bundles of these fleets, and those of every fleet. */
export interface ReadScope {
  readonly fleets: 'all' | readonly FleetId[];
  /**
   * A publisher also sees what was uploaded for a bundle and is not named by one yet. What rounds work on, devices'
   * updates and held-out sets, is nobody's to read.
   */
  readonly seesUploads: boolean;
}

export interface RegistryPorts {
  readonly store: Store;
  readonly blobs: BlobStore;
}

export interface ServedManifest {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/**
 * The read side of the OCI distribution API. A blob is readable where a bundle is readable that names it; to everybody
 * else it does not exist.
 */
export class RegistryReader {
  readonly #ports: RegistryPorts;

  constructor(ports: RegistryPorts) {
    this.#ports = ports;
  }

  /** By digest, or by version as the tag. */
  async readManifest(
    scope: ReadScope,
    wanted: { readonly name: string; readonly reference: string },
  ): Promise<ServedManifest | undefined> {
    const { store, blobs } = this.#ports;
    const bundle = await store.read(async (view) => findBundle(view, scope, wanted));
    if (bundle === undefined) return undefined;
    const body = await blobs.read(bundle.digest);
    if (body === undefined) return undefined;
    return { digest: bundle.digest, bytes: await collect(body, limits.manifestBytesMax) };
  }

  /** Versions of a name that the caller may read, and that have their content, ascending by path. */
  async listVersions(scope: ReadScope, name: string): Promise<readonly string[]> {
    const versions = new Set<string>();
    await this.#ports.store.read(async (view) => {
      for (const fleet of await fleetsOf(view, scope)) {
        const page = { limit: limits.storePageMax };
        for (const bundle of await view.bundles.list(fleet, { name, page })) {
          if (isKept(bundle)) versions.add(bundle.version);
        }
      }
    });
    return [...versions].sort();
  }

  /** Size in bytes, or undefined when the caller may not read it or it is not here. */
  async blobSize(scope: ReadScope, digest: Digest): Promise<number | undefined> {
    const { store, blobs } = this.#ports;
    const mayRead = await store.read(async (view) => {
      if (scope.seesUploads && (await view.blobs.get(digest))?.purpose === 'bundle') return true;
      for (const fleet of await fleetsOf(view, scope)) {
        if (await view.bundles.namesBlob(fleet, digest)) return true;
      }
      return false;
    });
    return mayRead ? blobs.size(digest) : undefined;
  }

  /** The bytes, after `blobSize` has said that the caller may have them. */
  async readBlob(
    scope: ReadScope,
    digest: Digest,
    range?: BlobRange,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const size = await this.blobSize(scope, digest);
    return size === undefined ? undefined : this.#ports.blobs.read(digest, range);
  }
}

/** The manifest of a bundle that was let go is still here, for the server's own use alone. */
const isKept = ({ contentReleasedAtMs }: Bundle): boolean => contentReleasedAtMs === null;

async function findBundle(
  view: StoreView,
  scope: ReadScope,
  { name, reference }: { readonly name: string; readonly reference: string },
): Promise<Bundle | undefined> {
  const fleets = await fleetsOf(view, scope);
  const isNamed = (bundle: Bundle | null): bundle is Bundle =>
    bundle?.name === name && isKept(bundle);
  for (const fleet of fleets) {
    if (isDigest(reference)) {
      const found = await view.bundles.find(fleet, reference);
      if (isNamed(found)) return found;
      continue;
    }
    for (const path of [
      `bundles/${name}@${reference}`,
      `federated/${fleet}/${name}@${reference}`,
    ]) {
      const found = isTargetPath(path) ? await view.bundles.get(fleet, path) : null;
      if (isNamed(found)) return found;
    }
  }
  return undefined;
}

const fleetsOf = async (
  view: Pick<StoreView, 'fleets'>,
  { fleets }: ReadScope,
): Promise<readonly FleetId[]> => (fleets === 'all' ? readingFleets(view) : fleets);
