import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteBigramCounts, byteFeatureCount } from './byte-features.ts';

const parameters = { prefixBytes: 64, bigramBuckets: 16 };

describe('byteBigramCounts', () => {
  it('counts each byte once and each neighbouring pair once, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const counts = byteBigramCounts(bytes, parameters);
        const sum = (from: number, to: number) =>
          counts.subarray(from, to).reduce((total, count) => total + count, 0);
        expect(counts.length).toBe(byteFeatureCount(parameters));
        expect(sum(0, 256)).toBe(bytes.length);
        expect(sum(256, 272)).toBe(Math.max(0, bytes.length - 1));
      }),
    );
  });

  it('puts a pair into the bucket of its multiplied top bits', () => {
    const counts = byteBigramCounts(Uint8Array.of(0x61, 0x62), parameters);
    expect(counts[0x61]).toBe(1);
    expect([...counts.subarray(256)].indexOf(1)).toBe(
      Number(((BigInt(0x6162) * 2654435761n) % 4294967296n) >> 28n),
    );
  });

  it('stops at the prefix and saturates at 255', () => {
    const long = new Uint8Array(1000).fill(7);
    expect(byteBigramCounts(long, parameters)[7]).toBe(64);
    expect(byteBigramCounts(long, { prefixBytes: 1000, bigramBuckets: 16 })[7]).toBe(255);
  });

  it('gives only zeros when there are no bytes', () => {
    expect(byteBigramCounts(new Uint8Array(), parameters).every((count) => count === 0)).toBe(true);
  });
});
