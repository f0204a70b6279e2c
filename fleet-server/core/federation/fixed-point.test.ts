import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fixedPoint,
  foldValues,
  meanOf,
  multiplierOf,
  scaleFor,
  squaredNormOf,
  votesOf,
} from './fixed-point.ts';

const clipNorm = 3;
const updates = fc.array(
  fc.record({
    values: fc.array(fc.float({ min: -3, max: 3, noNaN: true }), { minLength: 7, maxLength: 7 }),
    votes: fc.integer({ min: 1, max: 256 }),
  }),
  { minLength: 1, maxLength: 30 },
);

function sumOf(
  list: readonly { readonly values: readonly number[]; readonly votes: number }[],
): Float64Array {
  const sums = new Float64Array(7);
  for (const { values, votes } of list) {
    foldValues(sums, Float32Array.from(values), multiplierOf(scaleFor(clipNorm), votes));
  }
  return sums;
}

describe('fixed-point sums', () => {
  it('when updates come in another order, are equal bit for bit', () => {
    fc.assert(
      fc.property(updates, fc.infiniteStream(fc.double({ min: 0, max: 1 })), (list, chances) => {
        const other = list
          .map((update) => ({ update, key: chances.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ update }) => update);
        expect(new Uint8Array(sumOf(other).buffer)).toEqual(new Uint8Array(sumOf(list).buffer));
      }),
    );
  });

  it('when averaged, differ from the exact weighted mean by less than a unit per vote', () => {
    fc.assert(
      fc.property(updates, (list) => {
        const scale = scaleFor(clipNorm);
        const votes = list.reduce((sum, update) => sum + update.votes, 0);
        const mean = meanOf(sumOf(list), { scale, votes });
        mean.forEach((value, at) => {
          const exact =
            list.reduce((sum, update) => sum + update.votes * update.values[at]!, 0) / votes;
          const unit = (fixedPoint.votesMax * list.length) / (scale * votes);
          expect(Math.abs(value - exact)).toBeLessThanOrEqual(unit + 3e-7);
        });
      }),
    );
  });

  it('when a value falls between two units, is rounded to the even one', () => {
    const sums = new Float64Array(4);
    foldValues(sums, Float32Array.of(0.5, 1.5, 2.5, -0.5), 1);
    expect([...sums]).toEqual([0, 2, 2, 0]);
  });
});

describe('scaleFor', () => {
  it.each([1e-6, 0.1, 1, 4, 1000])('keeps 255 updates of norm %d inside 32 bits', (norm) => {
    const scale = scaleFor(norm);
    const units = norm * 1.001 * scale;
    expect(units).toBeLessThanOrEqual(fixedPoint.unitsMax);
    expect(units).toBeGreaterThan(fixedPoint.unitsMax / 2);
    expect(units * fixedPoint.updatesPerPartial).toBeLessThan(2147483648);
  });
});

describe('votesOf', () => {
  it('when a device claims more samples than the cap, gives no more than the cap does', () => {
    expect(votesOf(50, 100)).toBe(128);
    expect(votesOf(100, 100)).toBe(256);
    expect(votesOf(1e15, 100)).toBe(256);
    expect(votesOf(0, 100)).toBe(1);
  });
});

describe('squaredNormOf', () => {
  it('when a value is not finite, is not finite', () => {
    expect(squaredNormOf(Float32Array.of(3, 4))).toBe(25);
    expect(squaredNormOf(Float32Array.of(1, NaN))).toBeNaN();
    expect(squaredNormOf(Float32Array.of(1, -Infinity, 2))).toBe(Infinity);
    expect(Number.isFinite(squaredNormOf(new Float32Array(9).fill(3.4e38)))).toBe(true);
  });
});
