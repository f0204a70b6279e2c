import { limits } from '../../shared/contracts/limits.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import { blobPath } from '../core/store/store-path.ts';
import { type AfterPiece, digestOfFile } from './file-hash.ts';

/** Something the store should hold is not there, or is not what its name says. */
export interface StoreFailure {
  readonly code: 'blob-missing' | 'blob-corrupt' | 'slot-incomplete' | 'slot-name-refused';
  readonly digest?: Digest;
  /** Name inside the slot. */
  readonly name?: string;
}

export type StoreResult<T> = Result<T, StoreFailure>;

/**
 * Blobs by content under `blobs/sha256/<hex>`. A file stands under its final name only whole and verified; one that
 * is found to have rotted is unlinked, never repaired in place: other names may share its bytes.
 */
export class ContentStore {
  readonly #disk: DeviceDisk;

  constructor(disk: DeviceDisk) {
    this.#disk = disk;
  }

  async hasBlob(digest: Digest): Promise<boolean> {
    return (await this.#disk.size(blobPath(digest))) !== undefined;
  }

  /** Those of `digests` that would have to be fetched, in the given order. */
  async missingOf(digests: readonly Digest[]): Promise<Digest[]> {
    const missing: Digest[] = [];
    for (const digest of digests) if (!(await this.hasBlob(digest))) missing.push(digest);
    return missing;
  }

  /** Stores bytes under the name they have by themselves. Throws disk failures. */
  async putBlob(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes);
    if (!(await this.hasBlob(digest))) await this.#disk.replace(blobPath(digest), bytes);
    return digest;
  }

  /** A small blob, whole and verified. Throws `file-too-large` above `bytesMax`. */
  async readBlob(
    digest: Digest,
    options: { readonly bytesMax: number },
  ): Promise<StoreResult<Uint8Array>> {
    const bytes = await this.#disk.read(blobPath(digest), options);
    if (bytes === undefined) return err({ code: 'blob-missing', digest });
    if (digestOf(bytes) === digest) return ok(bytes);
    await this.#disk.remove(blobPath(digest));
    return err({ code: 'blob-corrupt', digest });
  }

  /** Reads the blob again from disk; a rotten one is unlinked, so that it counts as missing from then on. */
  async checkBlob(digest: Digest, afterPiece?: AfterPiece): Promise<StoreResult<void>> {
    const found = await digestOfFile(this.#disk, blobPath(digest), afterPiece);
    if (found === undefined) return err({ code: 'blob-missing', digest });
    if (found === digest) return ok(undefined);
    await this.#disk.remove(blobPath(digest));
    return err({ code: 'blob-corrupt', digest });
  }

  /** Whether `bytes` more fit and leave the reserve free. */
  async hasRoomFor(bytes: number): Promise<boolean> {
    return (await this.#disk.freeBytes()) >= bytes + limits.diskReserveBytes;
  }
}
