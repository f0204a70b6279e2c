/**
 * Pre-processing `byte-bigram-counts/1`: what a file's first bytes look like as a fixed number of counts.
 * Workshop and agent compute it with this one function, because a model is only right on the features it learned.
 */
export interface ByteFeatureParameters {
  /** Bytes read from the start of the file. */
  readonly prefixBytes: number;
  /** Buckets that byte pairs are hashed into; a power of two from 2 to 65,536. */
  readonly bigramBuckets: number;
}

export const byteFeatureCount = (parameters: ByteFeatureParameters): number =>
  256 + parameters.bigramBuckets;

/**
 * Counts of the 256 byte values, then of the hashed pairs of neighbours, each saturating at 255 so that a
 * count is one byte on the wire. A pair's bucket is the top bits of the pair times 2654435761 (Knuth, TAOCP 6.4).
 */
export function byteBigramCounts(bytes: Uint8Array, parameters: ByteFeatureParameters): Uint8Array {
  const counts = new Uint8ClampedArray(byteFeatureCount(parameters));
  const shift = Math.clz32(parameters.bigramBuckets) + 1;
  const end = Math.min(bytes.length, parameters.prefixBytes);
  let previous = -1;
  for (let i = 0; i < end; i += 1) {
    const byte = bytes[i] ?? 0;
    counts[byte] = (counts[byte] ?? 0) + 1;
    if (previous >= 0) {
      const bucket = 256 + (Math.imul((previous << 8) | byte, 2654435761) >>> shift);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
    }
    previous = byte;
  }
  return new Uint8Array(counts.buffer);
}
