import { chiSquaredTail } from './gamma.ts';

/** Counts per bin; histograms over the same bins add up exactly, whatever the order. */
export type Histogram = readonly number[];

export const histogramTotal = (counts: Histogram): number => counts.reduce((sum, n) => sum + n, 0);

/** Bin by bin; a shorter histogram has zeros in its missing bins. */
export function addHistograms(a: Histogram, b: Histogram): number[] {
  const bins = Math.max(a.length, b.length);
  return Array.from({ length: bins }, (_, i) => (a[i] ?? 0) + (b[i] ?? 0));
}

/**
 * The value below which a share `q` of the counts lies, by linear interpolation inside its bin. `edges` has one
 * entry less than there are bins; below the first and above the last edge the edge itself is the best that can
 * be said. Undefined without counts.
 */
export function histogramQuantile(
  counts: Histogram,
  edges: readonly number[],
  q: number,
): number | undefined {
  const rank = Math.min(1, Math.max(0, q)) * histogramTotal(counts);
  let below = 0;
  for (let bin = 0; bin < counts.length; bin += 1) {
    const inside = counts[bin] ?? 0;
    if (inside > 0 && below + inside >= rank) {
      const high = edges[Math.min(bin, edges.length - 1)] ?? 0;
      const low = bin === 0 ? high : (edges[bin - 1] ?? high);
      return low + ((high - low) * Math.max(0, rank - below)) / inside;
    }
    below += inside;
  }
  return undefined;
}

/**
 * Distribution-free interval of a quantile: the order statistics at q -+ z * sqrt(q (1 - q) / n)
 * (normal form of the binomial rank interval, Conover 1999, section 3.2), n = the effective sample.
 */
export function histogramQuantileInterval(
  counts: Histogram,
  edges: readonly number[],
  rank: { readonly q: number; readonly z: number; readonly sample: number },
): { readonly estimate: number; readonly low: number; readonly high: number } | undefined {
  const spread = rank.z * Math.sqrt((rank.q * (1 - rank.q)) / Math.max(rank.sample, 1e-9));
  const estimate = histogramQuantile(counts, edges, rank.q);
  const low = histogramQuantile(counts, edges, rank.q - spread);
  const high = histogramQuantile(counts, edges, rank.q + spread);
  if (estimate === undefined || low === undefined || high === undefined) return undefined;
  // Ranks beyond the sample are beyond what was seen: no upper end can be named.
  return { estimate, low, high: rank.q + spread >= 1 ? Number.POSITIVE_INFINITY : high };
}

/** Half the sum of the absolute differences of the shares: 0 equal, 1 disjoint. Zero if a side is empty. */
export function totalVariation(a: Histogram, b: Histogram): number {
  const totalA = histogramTotal(a);
  const totalB = histogramTotal(b);
  if (totalA === 0 || totalB === 0) return 0;
  let sum = 0;
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    sum += Math.abs((a[i] ?? 0) / totalA - (b[i] ?? 0) / totalB);
  }
  return sum / 2;
}

/**
 * Pearson's test that two histograms come from one distribution (chi-squared of homogeneity, 2 x K, K - 1
 * degrees of freedom over bins that are not empty on both sides). With `samples`, counts are first scaled to
 * the effective samples (first-order correction of Rao and Scott, 1981).
 */
export function chiSquaredHomogeneity(
  a: Histogram,
  b: Histogram,
  samples?: { readonly a: number; readonly b: number },
): { readonly statistic: number; readonly degreesOfFreedom: number; readonly p: number } {
  const totalA = histogramTotal(a);
  const totalB = histogramTotal(b);
  const sampleA = samples?.a ?? totalA;
  const sampleB = samples?.b ?? totalB;
  if (totalA === 0 || totalB === 0 || sampleA <= 0 || sampleB <= 0) {
    return { statistic: 0, degreesOfFreedom: 0, p: 1 };
  }
  let statistic = 0;
  let bins = 0;
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const inA = ((a[i] ?? 0) / totalA) * sampleA;
    const inB = ((b[i] ?? 0) / totalB) * sampleB;
    const expectedShare = (inA + inB) / (sampleA + sampleB);
    if (expectedShare === 0) continue;
    bins += 1;
    statistic += squared(inA - sampleA * expectedShare) / (sampleA * expectedShare);
    statistic += squared(inB - sampleB * expectedShare) / (sampleB * expectedShare);
  }
  const degreesOfFreedom = Math.max(0, bins - 1);
  const p = degreesOfFreedom === 0 ? 1 : chiSquaredTail(statistic, degreesOfFreedom);
  return { statistic, degreesOfFreedom, p };
}

const squared = (x: number): number => x * x;
