import { limits } from '../../../shared/contracts/limits.ts';
import { concatBytes, hexOf } from '../../../shared/core/bytes.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { DeviceDisk } from '../../../shared/ports/device-disk.ts';
import type { Random } from '../../../shared/ports/random.ts';
import { digestOfHash, startSha256 } from '../../../shared/trust/hash.ts';
import type { BlobRange, BlobRefusal, BlobStore } from '../../ports/blob-store.ts';

/** What the store needs of a disk; NodeDisk brings durable renames and the end of the process on a failed fsync. */
export type BlobDisk = Pick<
  DeviceDisk,
  'append' | 'size' | 'readRange' | 'sync' | 'rename' | 'remove'
>;

const incoming = 'incoming';

/** Blobs below one folder: `sha256/<first two>/<hex>`; what is still arriving lies under `incoming/`. */
export class FolderBlobStore implements BlobStore {
  readonly #disk: BlobDisk;
  readonly #random: Random;

  private constructor(disk: BlobDisk, random: Random) {
    this.#disk = disk;
    this.#random = random;
  }

  /** Removes what an earlier process left half-written; one process at a time owns the folder. */
  static async open(disk: BlobDisk, random: Random): Promise<FolderBlobStore> {
    await disk.remove(incoming);
    return new FolderBlobStore(disk, random);
  }

  async size(digest: Digest): Promise<number | undefined> {
    return this.#disk.size(pathOf(digest));
  }

  async read(
    digest: Digest,
    range: BlobRange = { from: 0, length: Number.MAX_SAFE_INTEGER },
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const size = await this.size(digest);
    if (size === undefined) return undefined;
    const end = Math.min(size, range.from + range.length);
    return this.#pieces(pathOf(digest), range.from, end);
  }

  async put(
    digest: Digest,
    body: AsyncIterable<Uint8Array>,
    { bytesMax }: { readonly bytesMax: number },
  ): Promise<Result<number, BlobRefusal>> {
    const path = `${incoming}/${hexOf(this.#random.bytes(16))}`;
    try {
      const received = await this.#receive(path, body, bytesMax);
      if (!received.ok) return received;
      if (received.value.digest !== digest) {
        return err({ code: 'upload-digest-mismatch', message: `got ${received.value.digest}` });
      }
      if ((await this.size(digest)) === undefined) {
        await this.#disk.sync(path);
        await this.#disk.rename(path, pathOf(digest));
      }
      return ok(received.value.bytes);
    } finally {
      await this.#disk.remove(path);
    }
  }

  async remove(digest: Digest): Promise<boolean> {
    if ((await this.size(digest)) === undefined) return false;
    await this.#disk.remove(pathOf(digest));
    return true;
  }

  async #receive(
    path: string,
    body: AsyncIterable<Uint8Array>,
    bytesMax: number,
  ): Promise<Result<{ readonly digest: Digest; readonly bytes: number }, BlobRefusal>> {
    const hash = startSha256();
    let bytes = 0;
    let waiting: Uint8Array[] = [];
    let waitingBytes = 0;
    const flush = async (): Promise<void> => {
      await this.#disk.append(path, concatBytes(waiting), { durable: false });
      waiting = [];
      waitingBytes = 0;
    };
    for await (const part of body) {
      bytes += part.length;
      if (bytes > bytesMax) {
        return err({ code: 'too-large', message: `a blob has at most ${bytesMax} bytes here` });
      }
      hash.update(part);
      waiting.push(part);
      waitingBytes += part.length;
      if (waitingBytes >= limits.blobPieceBytes) await flush();
    }
    await flush();
    return ok({ digest: digestOfHash(hash.digest()), bytes });
  }

  async *#pieces(path: string, from: number, end: number): AsyncIterable<Uint8Array> {
    for (let at = from; at < end; ) {
      const length = Math.min(limits.blobPieceBytes, end - at);
      const piece = await this.#disk.readRange(path, { from: at, length });
      // Cut short or gone meanwhile: the reader sees a body that ends too early, and refuses it.
      if (piece === undefined || piece.length === 0) return;
      yield piece;
      at += piece.length;
    }
  }
}

const pathOf = (digest: Digest): string => {
  const hex = digest.slice('sha256:'.length);
  return `sha256/${hex.slice(0, 2)}/${hex}`;
};
