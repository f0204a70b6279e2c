import { limits } from '../../shared/contracts/limits.ts';
import type { Digest } from '../../shared/core/ids.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import { digestOfHash, startSha256 } from '../../shared/trust/hash.ts';

/** Called after each piece, so that a caller may pace the reading. */
export type AfterPiece = (bytes: number) => Promise<void>;

/** Digest of a file, read in pieces; undefined when it is absent. Throws disk failures. */
export async function digestOfFile(
  disk: DeviceDisk,
  path: string,
  afterPiece?: AfterPiece,
): Promise<Digest | undefined> {
  const hash = startSha256();
  const length = limits.blobChunkBytes;
  for (let from = 0; ; from += length) {
    const piece = await disk.readRange(path, { from, length });
    if (piece === undefined) return undefined;
    hash.update(piece);
    await afterPiece?.(piece.length);
    if (piece.length < length) return digestOfHash(hash.digest());
  }
}
