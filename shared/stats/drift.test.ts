import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPrng } from '../core/prng.ts';
import {
  binnedKs,
  judgeDrift,
  kolmogorovTail,
  ksPValue,
  psi,
  psiOfShares,
  psiPValue,
} from './drift.ts';
import { chiSquaredTail } from './gamma.ts';

/** Counts of 0..99 shifted by `shift` over bins cut at the given reference quantiles, left-closed. */
function shiftedCounts(bins: number, shift: number): number[] {
  const edges = Array.from({ length: bins - 1 }, (_, i) => ((i + 1) * 100) / bins);
  const counts = new Array<number>(bins).fill(0);
  for (let value = shift; value < 100 + shift; value += 1) {
    const bin = edges.filter((edge) => value >= edge).length;
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}

const shares = (counts: readonly number[]): number[] => {
  const total = counts.reduce((a, b) => a + b, 0);
  return counts.map((count) => count / total);
};

describe('psi', () => {
  it('of plain shares, gives the known values (V8)', () => {
    expect(psiOfShares([0.5, 0.5], [0.6, 0.4])).toBeCloseTo(0.040546510811, 11);
    expect(psiOfShares([0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4])).toBeCloseTo(
      0.228217409573,
      11,
    );
    expect(psiOfShares([0.1, 0.2, 0.4, 0.2, 0.1], [0.05, 0.15, 0.4, 0.25, 0.15])).toBeCloseTo(
      0.080471895622,
      11,
    );
  });

  it('of 88 against 88 values in six bins, gives the known value (V9)', () => {
    const reference = [16, 18, 16, 14, 12, 12];
    const current = [16, 16, 16, 16, 16, 8];
    expect(psiOfShares(shares(reference), shares(current))).toBeCloseTo(0.037218381577, 11);
  });

  it('of 0..99 against 20..119 over reference deciles with add-half, gives the known value (V11)', () => {
    const value = psi(shiftedCounts(10, 0), shiftedCounts(10, 20));
    expect(value).toBeCloseTo(0.7830235932, 9);
  });

  it('when a bin is empty on one side, stays finite and falls with the sample that proves it', () => {
    const small = psi([50, 50, 0], [40, 40, 20]);
    const large = psi([5000, 5000, 0], [4000, 4000, 2000]);
    expect(Number.isFinite(small)).toBe(true);
    expect(large).toBeGreaterThan(small);
  });

  it('is never negative, and zero for proportional counts of equal size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(500), fc.nat(500)), { minLength: 2, maxLength: 20 }),
        (pairs) => {
          const a = pairs.map(([x]) => x);
          const b = pairs.map(([, y]) => y);
          expect(psi(a, b)).toBeGreaterThanOrEqual(0);
          expect(psi(a, a)).toBe(0);
        },
      ),
    );
  });

  it('has the 95 % points of the n-aware rule (section 1.4)', () => {
    for (const [n, point] of [
      [100, 0.1709],
      [500, 0.0355],
      [1000, 0.0186],
    ] as const) {
      expect(psiPValue(point, { reference: 10_000, current: n, bins: 10 })).toBeCloseTo(0.05, 3);
    }
    // chi-squared 0.95 point with 9 degrees of freedom, any table
    expect(chiSquaredTail(16.919, 9)).toBeCloseTo(0.05, 4);
  });

  it('without drift, fires at its nominal rate where the fixed threshold of 0.1 does not', () => {
    const prng = createPrng('psi-null');
    const reference = new Array<number>(10).fill(1000);
    let aware = 0;
    let blind = 0;
    const runs = 2000;
    for (let run = 0; run < runs; run += 1) {
      const current = new Array<number>(10).fill(0);
      for (let i = 0; i < 100; i += 1) {
        const bin = prng.nextBelow(10);
        current[bin] = (current[bin] ?? 0) + 1;
      }
      const value = psi(reference, current);
      if (value > 0.1) blind += 1;
      if (psiPValue(value, { reference: 10_000, current: 100, bins: 10 }) <= 0.05) aware += 1;
    }
    expect(blind / runs).toBeGreaterThan(0.2);
    expect(aware / runs).toBeLessThan(0.07);
  });
});

describe('ks', () => {
  it('of 0..99 against 20..119, is 0.2 over 16, 32 and 64 reference bins (V5)', () => {
    for (const bins of [16, 32, 64]) {
      expect(binnedKs(shiftedCounts(bins, 0), shiftedCounts(bins, 20))).toBeCloseTo(0.2, 12);
    }
  });

  it('over coarser bins, falls short of the raw distance by at most one bin (V5, bound)', () => {
    const reference = shiftedCounts(3, 0);
    const current = shiftedCounts(3, 7);
    const widest = Math.max(...shares(reference), ...shares(current));
    const distance = binnedKs(reference, current);
    expect(distance).toBeLessThanOrEqual(0.07 + 1e-12);
    expect(distance + widest).toBeGreaterThanOrEqual(0.07);
  });

  it('has the tail of the limit distribution (V7) and the p-values of V1 and V4', () => {
    expect(kolmogorovTail(0.5)).toBeCloseTo(0.963945244, 8);
    expect(kolmogorovTail(1)).toBeCloseTo(0.269999672, 8);
    expect(kolmogorovTail(2)).toBeCloseTo(6.709253e-4, 9);
    expect(kolmogorovTail(1.358099)).toBeCloseTo(0.05, 6);
    expect(ksPValue(0.625, { reference: 8, current: 8 })).toBeCloseTo(0.08786641, 7);
    expect(ksPValue(0.256666667, { reference: 100, current: 150 })).toBeCloseTo(7.37543e-4, 8);
  });
});

describe('judgeDrift', () => {
  const limits = { countMin: 20, psiMax: 0.1, ksMax: 0.1, pMax: 0.01 };
  const reference = new Array<number>(10).fill(1000);

  it('when there are fewer values than it needs, says so instead of passing', () => {
    expect(judgeDrift(reference, [5, 5, 5, 0, 0, 0, 0, 0, 0, 0], limits).verdict).toBe(
      'insufficient',
    );
    expect(judgeDrift([0, 0], [50, 50], limits).verdict).toBe('insufficient');
  });

  it('when the effect is large but the sample is small, stays steady', () => {
    const current = [5, 1, 2, 3, 1, 2, 3, 1, 4, 3];
    const finding = judgeDrift(reference, current, limits);
    expect(finding.psi).toBeGreaterThan(limits.psiMax);
    expect(finding.verdict).toBe('steady');
  });

  it('when the effect is certain but small, stays steady', () => {
    const current = reference.map((count, i) => count * 100 + (i < 5 ? 2000 : -2000));
    const finding = judgeDrift(reference, current, limits);
    expect(finding.psiP).toBeLessThan(1);
    expect(finding.verdict).toBe('steady');
  });

  it('when the effect is large and certain, drifts', () => {
    const finding = judgeDrift(reference, [0, 0, 0, 0, 0, 40, 40, 40, 40, 40], limits);
    expect(finding).toMatchObject({ verdict: 'drifted', n: 200, rule: 'fixed-bins/add-half' });
    expect(finding.ksP).toBeLessThan(1e-6);
  });
});
