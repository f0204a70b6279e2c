import { chiSquaredTail } from './gamma.ts';
import { type Histogram, histogramTotal } from './histogram.ts';

/** Rule of the PSI below; results carry it, because four rules give 0.78 to 2.10 for one and the same shift. */
export const psiRule = 'fixed-bins/add-half';

/**
 * Population stability index over fixed bins, nats: sum of (c - r) ln(c / r) over shares. Zero handling: one half is
 * added to every bin of both sides and the shares are taken of the enlarged totals (add-1/2, Krichevsky and
 * Trofimov, 1981), so an empty bin costs what its sample size can prove and never infinity. 0 without counts.
 */
export function psi(reference: Histogram, current: Histogram): number {
  const bins = reference.length;
  const referenceTotal = histogramTotal(reference) + bins / 2;
  const currentTotal = histogramTotal(current) + bins / 2;
  if (histogramTotal(reference) === 0 || histogramTotal(current) === 0) return 0;
  let sum = 0;
  for (let i = 0; i < bins; i += 1) {
    const r = ((reference[i] ?? 0) + 0.5) / referenceTotal;
    const c = ((current[i] ?? 0) + 0.5) / currentTotal;
    sum += (c - r) * Math.log(c / r);
  }
  return sum;
}

/** PSI of plain shares without smoothing: infinite where one side is empty and the other is not. */
export function psiOfShares(reference: readonly number[], current: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < reference.length; i += 1) {
    const r = reference[i] ?? 0;
    const c = current[i] ?? 0;
    if (r !== c) sum += (c - r) * Math.log(c / r);
  }
  return sum;
}

/**
 * p-value of a PSI without drift: PSI is close to (1/n + 1/m) chi-squared with bins - 1 degrees of freedom
 * (both counts large; Yurdakul, 2018). A fixed threshold of 0.1 fires on 39 % of 100-value windows instead.
 */
export function psiPValue(value: number, sample: DriftSample): number {
  const scale = 1 / sample.reference + 1 / sample.current;
  return sample.bins < 2 ? 1 : chiSquaredTail(value / scale, sample.bins - 1);
}

export interface DriftSample {
  readonly reference: number;
  readonly current: number;
  readonly bins: number;
}

/**
 * Two-sample Kolmogorov-Smirnov distance at the bin edges. It never exceeds the distance of the raw values, and
 * falls short of it by at most the largest share of one bin. 0 without counts.
 */
export function binnedKs(reference: Histogram, current: Histogram): number {
  const referenceTotal = histogramTotal(reference);
  const currentTotal = histogramTotal(current);
  if (referenceTotal === 0 || currentTotal === 0) return 0;
  let distance = 0;
  let r = 0;
  let c = 0;
  for (let i = 0; i < reference.length; i += 1) {
    r += reference[i] ?? 0;
    c += current[i] ?? 0;
    distance = Math.max(distance, Math.abs(r / referenceTotal - c / currentTotal));
  }
  return distance;
}

/**
 * Limit distribution of the two-sample KS distance (Kolmogorov, 1933) at sqrt(nm / (n + m)) D. Binning and small
 * samples make the true p-value smaller or equal in practice: the test errs towards silence.
 */
export function ksPValue(distance: number, sample: Omit<DriftSample, 'bins'>): number {
  const size = (sample.reference * sample.current) / (sample.reference + sample.current);
  return kolmogorovTail(Math.sqrt(size) * distance);
}

/** P(K > x) = 2 sum (-1)^(k-1) exp(-2 k^2 x^2); below 0.2 it is 1 to fifteen digits and the series is slow. */
export function kolmogorovTail(x: number): number {
  if (x < 0.2) return 1;
  let sum = 0;
  for (let k = 1; k <= 50; k += 1) {
    const term = Math.exp(-2 * k * k * x * x);
    sum += k % 2 === 1 ? term : -term;
    if (term < 1e-17) break;
  }
  return Math.min(1, Math.max(0, 2 * sum));
}

export interface DriftLimits {
  /** Fewer values give no judgement. */
  readonly countMin: number;
  readonly psiMax: number;
  readonly ksMax: number;
  /** Largest p-value that still counts as drift, already corrected for the number of values watched. */
  readonly pMax: number;
}

export interface DriftFinding {
  readonly verdict: 'insufficient' | 'steady' | 'drifted';
  readonly n: number;
  readonly psi: number;
  readonly psiP: number;
  readonly ks: number;
  readonly ksP: number;
  readonly rule: typeof psiRule;
}

/** Drift is an effect that is large *and* cannot be chance at this sample size; either alone is not. */
export function judgeDrift(
  reference: Histogram,
  current: Histogram,
  limits: DriftLimits,
): DriftFinding {
  const n = histogramTotal(current);
  const m = histogramTotal(reference);
  const measured = { n, psi: psi(reference, current), ks: binnedKs(reference, current) };
  if (n < Math.max(1, limits.countMin) || m === 0) {
    return { verdict: 'insufficient', ...measured, psiP: 1, ksP: 1, rule: psiRule };
  }
  const sample = { reference: m, current: n, bins: reference.length };
  const psiP = psiPValue(measured.psi, sample);
  const ksP = ksPValue(measured.ks, sample);
  const drifted =
    (measured.psi > limits.psiMax && psiP <= limits.pMax) ||
    (measured.ks > limits.ksMax && ksP <= limits.pMax);
  return { verdict: drifted ? 'drifted' : 'steady', ...measured, psiP, ksP, rule: psiRule };
}
