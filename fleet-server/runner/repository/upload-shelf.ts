import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import type { Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { BlobRefusal, BlobStore } from '../../ports/blob-store.ts';
import type { Store } from '../../ports/store.ts';

export interface UploadShelfPorts {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly clock: Clock;
}

/**
 * Blobs between their upload and the signed bundle that names them. A published bundle holds its blobs for as long as
 * the targets name it, which is for ever; an open round holds its own. What nobody holds a week after its newest
 * upload is removed.
 *
 * INVARIANTS
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

  /** Keeps a blob that no bundle names yet. Codes: `too-large`, `upload-digest-mismatch`. */
  async put(digest: Digest, body: AsyncIterable<Uint8Array>): Promise<Result<number, BlobRefusal>> {
    await this.#collecting;
    const { blobs, store, clock } = this.#ports;
    this.#count(digest, 1);
    try {
      const put = await blobs.put(digest, body, { bytesMax: limits.uploadBytesMax });
      if (!put.ok) return put;
      const record = { digest, sizeBytes: put.value, storedAtMs: clock.nowMs() };
      await store.transaction((tx) => tx.blobs.put({ ...record, purpose: 'bundle' }));
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

  #isHeld(digest: Digest): Promise<boolean> {
    return this.#ports.store.read((view) => view.blobs.isHeld(digest));
  }

  #count(digest: Digest, change: 1 | -1): void {
    const uploads = (this.#arriving.get(digest) ?? 0) + change;
    if (uploads === 0) this.#arriving.delete(digest);
    else this.#arriving.set(digest, uploads);
  }
}
