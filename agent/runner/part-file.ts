import { limits } from '../../shared/contracts/limits.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import type { Digest } from '../../shared/core/ids.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import { digestOfHash, type RunningHash, sha256, startSha256 } from '../../shared/trust/hash.ts';
import { blobPath, partPath } from '../core/store/store-path.ts';

export interface PartOptions {
  readonly disk: DeviceDisk;
  readonly digest: Digest;
  /** Signed size. */
  readonly bytes: number;
  /** sha256 of each 1 MiB chunk, hexadecimal; without them only the whole can be verified. */
  readonly chunks: readonly string[] | undefined;
}

/** What became of a piece of body. */
export type Accepted = 'kept' | 'wrong-chunk' | 'too-much';

/**
 * A blob on its way, `downloads/<hex>.part`. With chunk hashes, only verified chunks ever reach the
 * disk; without, bytes
 * are kept as they come and judged at the end. The final name appears by one rename of a verified file.
 */
export class PartFile {
  readonly #options: PartOptions;
  readonly #chunks: readonly string[] | undefined;
  readonly #chunk: Uint8Array;
  #buffered = 0;
  #keptBytes = 0;
  #hash: RunningHash = startSha256();

  private constructor(options: PartOptions) {
    this.#options = options;
    const expected = Math.ceil(options.bytes / limits.blobChunkBytes);
    // A list that does not fit the size could only refuse good bytes; the whole digest decides then.
    this.#chunks = options.chunks?.length === expected ? options.chunks : undefined;
    this.#chunk = new Uint8Array(Math.min(limits.blobChunkBytes, options.bytes));
  }

  /** Reads what an earlier attempt left, hashes it again, and cuts off what cannot be believed. */
  static async open(options: PartOptions): Promise<PartFile> {
    const part = new PartFile(options);
    await part.#resume();
    return part;
  }

  /** Bytes on disk that may be built upon. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  get isComplete(): boolean {
    return this.#keptBytes === this.#options.bytes;
  }

  /** Takes the next bytes of the body. Throws disk failures, also `disk-full`. */
  async accept(piece: Uint8Array): Promise<Accepted> {
    let at = 0;
    while (at < piece.length) {
      const room = this.#wantedBytes() - this.#buffered;
      if (room === 0) return 'too-much';
      const taken = piece.subarray(at, at + room);
      this.#chunk.set(taken, this.#buffered);
      this.#buffered += taken.length;
      at += taken.length;
      if (this.#buffered === this.#wantedBytes() && !(await this.#keepChunk())) {
        return 'wrong-chunk';
      }
    }
    return 'kept';
  }

  /** The connection ended: bytes that no chunk hash speaks for are kept, a part of a chunk is not. */
  async pause(): Promise<void> {
    if (this.#chunks === undefined && this.#buffered > 0) await this.#append();
    this.#buffered = 0;
  }

  async restart(): Promise<void> {
    await this.#options.disk.remove(partPath(this.#options.digest));
    this.#buffered = 0;
    this.#keptBytes = 0;
    this.#hash = startSha256();
  }

  /** Verifies the whole and gives it its final name; false, and nothing left, when it is not what was signed. */
  async finish(): Promise<boolean> {
    const { disk, digest, bytes } = this.#options;
    if (digestOfHash(this.#hash.digest()) !== digest) {
      await this.restart();
      return false;
    }
    if (bytes === 0) {
      await disk.replace(blobPath(digest), new Uint8Array(0));
      return true;
    }
    await disk.sync(partPath(digest));
    await disk.rename(partPath(digest), blobPath(digest));
    return true;
  }

  /** Size of the chunk that is being filled. */
  #wantedBytes(): number {
    const chunkEnd = this.#keptBytes - (this.#keptBytes % limits.blobChunkBytes);
    return Math.min(this.#options.bytes, chunkEnd + limits.blobChunkBytes) - this.#keptBytes;
  }

  async #keepChunk(): Promise<boolean> {
    if (!this.#isRight(this.#chunk.subarray(0, this.#buffered))) {
      this.#buffered = 0;
      return false;
    }
    await this.#append();
    return true;
  }

  async #append(): Promise<void> {
    const bytes = this.#chunk.slice(0, this.#buffered);
    this.#buffered = 0;
    await this.#options.disk.append(partPath(this.#options.digest), bytes, { durable: false });
    this.#hash.update(bytes);
    this.#keptBytes += bytes.length;
  }

  #isRight(chunk: Uint8Array): boolean {
    const wanted = this.#chunks?.[Math.floor(this.#keptBytes / limits.blobChunkBytes)];
    return wanted === undefined || hexOf(sha256(chunk)) === wanted;
  }

  async #resume(): Promise<void> {
    const { disk, digest, bytes } = this.#options;
    const path = partPath(digest);
    const size = await disk.size(path);
    if (size === undefined) return;
    while (this.#keptBytes < Math.min(size, bytes)) {
      const length = this.#wantedBytes();
      const chunk = await disk.readRange(path, { from: this.#keptBytes, length });
      if (chunk === undefined || chunk.length === 0) break;
      const isWhole = chunk.length === length;
      if (this.#chunks !== undefined && !(isWhole && this.#isRight(chunk))) break;
      this.#hash.update(chunk);
      this.#keptBytes += chunk.length;
    }
    if (this.#keptBytes < size) await disk.truncate(path, this.#keptBytes);
  }
}
