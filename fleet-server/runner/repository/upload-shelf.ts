import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import type { Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { BlobPurpose, BlobRecord } from '../../core/model/bundle.ts';
import type { BlobRefusal, BlobStore } from '../../ports/blob-store.ts';
import type { Store } from '../../ports/store.ts';

export interface UploadShelfPorts {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly clock: Clock;
}

/** What a blob is brought for, and how large it may be. */
export interface UploadTerms {
  readonly purpose: Exclude<BlobPurpose, 'transient'>;
  readonly bytesMax: number;
}

const ofBundle: UploadTerms = { purpose: 'bundle', bytesMax: limits.uploadBytesMax };

/**
 * Blobs between their upload and the signed bundle that names them. A published bundle holds its blobs until it has
 * been retired for long and nobody needs them (`BundleKeeper`); an open round holds its own. What nobody holds a week
 * after its newest upload is removed.
 *
 * INVARIANTS
 * - A record stands before its blob, so no crash leaves a blob that nobody knows of. It says what the blob is for only
 *   when the bytes are here: whoever just knows a digest must not be taken for whoever brought it.
 * - A blob goes before its record: after a crash in between the record is found again, and removing is repeated.
 * - No upload begins while blobs are removed, and a blob that is arriving is left alone.
 * - `collect` runs between publications, never beside one that has looked for its blobs already.
 */
export class UploadShelf {
  readonly #ports: UploadShelfPorts;
  readonly #arriving = new Map<Digest, number>();
  #collecting: Promise<unknown> = Promise.resolve();

  constructor(ports: UploadShelfPorts) {
    this.#ports = ports;
  }

  /** Keeps a blob that nothing names yet. Codes: `too-large`, `upload-digest-mismatch`. */
  async put(
    digest: Digest,
    body: AsyncIterable<Uint8Array>,
    { purpose, bytesMax }: UploadTerms = ofBundle,
  ): Promise<Result<number, BlobRefusal>> {
    await this.#collecting;
    this.#count(digest, 1);
    try {
      const isNews = await this.#announce(digest);
      const put = await this.#ports.blobs.put(digest, body, { bytesMax });
      if (put.ok) await this.#record(digest, { sizeBytes: put.value, purpose });
      else if (isNews && this.#arriving.get(digest) === 1) await this.#forget(digest);
      return put;
    } finally {
      this.#count(digest, -1);
    }
  }

  /** One batch. Returns how many blobs went. */
  async collect(): Promise<number> {
    const run = this.#removeOld();
    this.#collecting = run.catch(() => undefined);
    return run;
  }

  async #removeOld(): Promise<number> {
    const { store, blobs, clock } = this.#ports;
    const beforeMs = clock.nowMs() - limits.uploadKeptMs;
    const page = { limit: limits.uploadsCollectedMax };
    const old = await store.read((view) => view.blobs.listUnheld(beforeMs, page));
    let removed = 0;
    for (const { digest } of old) {
      if (this.#arriving.has(digest) || (await this.#isHeld(digest))) continue;
      await blobs.remove(digest);
      await store.transaction((tx) => tx.blobs.remove(digest));
      removed += 1;
    }
    return removed;
  }

  /** True where nobody knew of the blob. */
  async #announce(digest: Digest): Promise<boolean> {
    const known = await this.#ports.store.read((view) => view.blobs.get(digest));
    await this.#record(digest, { sizeBytes: 0, purpose: 'transient' });
    return known === null;
  }

  async #forget(digest: Digest): Promise<void> {
    await this.#ports.store.transaction((tx) => tx.blobs.remove(digest));
  }

  #record(digest: Digest, what: Pick<BlobRecord, 'sizeBytes' | 'purpose'>): Promise<void> {
    const { store, clock } = this.#ports;
    const storedAtMs = clock.nowMs();
    return store.transaction((tx) => tx.blobs.put({ digest, storedAtMs, ...what }));
  }

  #isHeld(digest: Digest): Promise<boolean> {
    return this.#ports.store.read((view) => view.blobs.isHeld(digest));
  }

  #count(digest: Digest, change: 1 | -1): void {
    const uploads = (this.#arriving.get(digest) ?? 0) + change;
    if (uploads === 0) this.#arriving.delete(digest);
    else this.#arriving.set(digest, uploads);
  }
}
