import { describe, expect, it } from 'vitest';
import { chiSquaredTail, logGamma } from './gamma.ts';
import {
  addHistograms,
  chiSquaredHomogeneity,
  histogramQuantile,
  histogramQuantileInterval,
  histogramTotal,
  totalVariation,
} from './histogram.ts';
import { latencyBinOf, latencyBins, latencyEdgesMs } from './latency-bins.ts';

describe('chiSquaredTail', () => {
  // SciPy 1.17.1, scipy.stats.chi2.sf; the first value is published in Evidently's tests.
  it.each([
    [3.174603174603, 5, 0.673087600697],
    [1.622408963585, 5, 0.898526239403],
    [2, 5, 0.849145036085],
    [3.841458820694124, 1, 0.05],
    [300, 200, 5.924540335483916e-6],
  ])('gives the published tail of %f at %i degrees', (x, df, p) => {
    expect(chiSquaredTail(x, df)).toBeCloseTo(p, 9);
  });

  it('knows the factorials', () => {
    expect(Math.exp(logGamma(6))).toBeCloseTo(120, 9);
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 12);
  });
});

describe('chiSquaredHomogeneity', () => {
  it('agrees with the published table of two histograms', () => {
    const reference = [16, 18, 16, 14, 12, 12];
    const current = [16, 16, 16, 16, 16, 8];
    const test = chiSquaredHomogeneity(reference, current);
    expect(test.statistic).toBeCloseTo(1.622408963585, 10);
    expect(test.degreesOfFreedom).toBe(5);
    expect(test.p).toBeCloseTo(0.898526239403, 10);
    expect(totalVariation(reference, current)).toBeCloseTo(6 / 88, 12);
  });

  it('finds nothing where a side is empty, and less where the effective sample is small', () => {
    expect(chiSquaredHomogeneity([0, 0], [3, 4]).p).toBe(1);
    const full = chiSquaredHomogeneity([900, 100], [800, 200]);
    const small = chiSquaredHomogeneity([900, 100], [800, 200], { a: 10, b: 10 });
    expect(full.p).toBeLessThan(1e-6);
    expect(small.p).toBeGreaterThan(0.5);
  });
});

describe('histogramQuantile', () => {
  const edges = [1, 2, 4];

  it('interpolates inside the bin and stops at the outer edges', () => {
    expect(histogramQuantile([0, 10, 10, 0], edges, 0.5)).toBe(2);
    expect(histogramQuantile([0, 10, 10, 0], edges, 0.75)).toBe(3);
    expect(histogramQuantile([5, 0, 0, 0], edges, 0.5)).toBe(1);
    expect(histogramQuantile([0, 0, 0, 5], edges, 0.5)).toBe(4);
    expect(histogramQuantile([0, 0, 0, 0], edges, 0.5)).toBeUndefined();
  });

  it('brackets the estimate, wider on a smaller effective sample', () => {
    const counts = [0, 400, 500, 100];
    const large = histogramQuantileInterval(counts, edges, { q: 0.5, z: 2, sample: 1000 });
    const small = histogramQuantileInterval(counts, edges, { q: 0.5, z: 2, sample: 20 });
    expect(small!.low).toBeLessThan(large!.low);
    expect(small!.high).toBeGreaterThan(large!.high);
    const extreme = histogramQuantileInterval(counts, edges, { q: 0.95, z: 3, sample: 10 });
    expect(extreme!.high).toBe(Number.POSITIVE_INFINITY);
    expect(histogramQuantileInterval([], edges, { q: 0.95, z: 3, sample: 0 })).toBeUndefined();
  });

  it('adds histograms of different length bin by bin', () => {
    expect(addHistograms([1, 2], [1, 1, 1])).toEqual([2, 3, 1]);
    expect(histogramTotal([1, 2, 3])).toBe(6);
  });
});

describe('latencyBinOf', () => {
  it('puts each edge into the bin above it and fits the window contract of 64 bins', () => {
    expect(latencyBins).toBe(64);
    latencyEdgesMs.forEach((edge, i) => {
      expect(latencyBinOf(edge)).toBe(i + 1);
      expect(latencyBinOf(edge * 0.999999)).toBe(i);
    });
    expect(latencyBinOf(0)).toBe(0);
    expect(latencyBinOf(Number.NaN)).toBe(63);
    expect(latencyEdgesMs[0]).toBe(1 / 64);
    expect(latencyEdgesMs[18]).toBe(1);
    expect(latencyEdgesMs[62]).toBeCloseTo(26_008, 0);
  });
});
