import type { Digest } from '../../shared/core/ids.ts';
import type { Result } from '../../shared/core/result.ts';

export interface BlobRange {
  readonly from: number;
  readonly length: number;
}

export interface BlobRefusal {
  readonly code: 'too-large' | 'upload-digest-mismatch';
  readonly message: string;
}

/**
 * Blobs by the hash of their content. A blob is there whole or not at all, and durable once `put` has resolved. Reading
 * does not hash again: whoever fetches a blob checks it. Throws `disk-full`, `disk-failed`.
 */
export interface BlobStore {
  /** Size in bytes, or `undefined` when the blob is not here. */
  size(digest: Digest): Promise<number | undefined>;
  /** The blob, or the part of a range that it has; `undefined` when it is not here. */
  read(digest: Digest, range?: BlobRange): Promise<AsyncIterable<Uint8Array> | undefined>;
  /**
   * Takes the bytes in, checks them on the way, and publishes them at the end; answers the size in bytes. Errors of
   * `body` pass through and leave nothing. A blob that is here already is not replaced, but `body` is checked.
   */
  put(
    digest: Digest,
    body: AsyncIterable<Uint8Array>,
    options: { readonly bytesMax: number },
  ): Promise<Result<number, BlobRefusal>>;
  /** False when it was not here. */
  remove(digest: Digest): Promise<boolean>;
}
