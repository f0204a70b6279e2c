import type { BlobRange, BlobRefusal, BlobStore } from '../../fleet-server/ports/blob-store.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { concatBytes } from '../../shared/core/bytes.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import { digestOf } from '../../shared/trust/hash.ts';

/** Blobs in memory, for a simulated server. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<Digest, Uint8Array>();

  async size(digest: Digest): Promise<number | undefined> {
    return this.#blobs.get(digest)?.length;
  }

  async read(digest: Digest, range?: BlobRange): Promise<AsyncIterable<Uint8Array> | undefined> {
    const bytes = this.#blobs.get(digest);
    if (bytes === undefined) return undefined;
    const { from, length } = range ?? { from: 0, length: bytes.length };
    return pieces(bytes.slice(from, from + length));
  }

  async put(
    digest: Digest,
    body: AsyncIterable<Uint8Array>,
    { bytesMax }: { readonly bytesMax: number },
  ): Promise<Result<number, BlobRefusal>> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of body) {
      bytes += part.length;
      if (bytes > bytesMax) {
        return err({ code: 'too-large', message: `a blob has at most ${bytesMax} bytes here` });
      }
      parts.push(part.slice());
    }
    const whole = concatBytes(parts);
    const got = digestOf(whole);
    if (got !== digest) return err({ code: 'upload-digest-mismatch', message: `got ${got}` });
    if (!this.#blobs.has(digest)) this.#blobs.set(digest, whole);
    return ok(bytes);
  }

  async remove(digest: Digest): Promise<boolean> {
    return this.#blobs.delete(digest);
  }

  /** Damage behind the server's back: one bit of this byte. */
  flipByte(digest: Digest, at: number): void {
    const bytes = this.#blobs.get(digest);
    invariant(bytes?.[at] !== undefined, `${digest} has no byte ${at}`);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
  }
}

async function* pieces(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += limits.blobPieceBytes) {
    yield bytes.slice(at, at + limits.blobPieceBytes);
  }
}
