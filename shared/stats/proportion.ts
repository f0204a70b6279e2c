import { logGamma } from './gamma.ts';

/** `successes` of `trials`; trials may be a fraction after deflation by `effectiveSample`. */
export interface Proportion {
  readonly successes: number;
  readonly trials: number;
}

export interface Interval {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Wilson score interval (Wilson 1927) without continuity correction; `z` is the normal quantile of each side.
 * Without trials nothing is known: [0, 1].
 */
export function wilsonInterval({ successes, trials }: Proportion, z: number): Interval {
  if (trials <= 0) return { estimate: 0.5, low: 0, high: 1 };
  const p = successes / trials;
  const z2 = z * z;
  const centre = p + z2 / (2 * trials);
  const spread = z * Math.sqrt((p * (1 - p)) / trials + z2 / (4 * trials * trials));
  const scale = 1 + z2 / trials;
  return {
    estimate: p,
    // At the ends the formula gives 0 and 1 up to rounding; say so exactly.
    low: successes <= 0 ? 0 : Math.max(0, (centre - spread) / scale),
    high: successes >= trials ? 1 : Math.min(1, (centre + spread) / scale),
  };
}

/**
 * Interval of the difference a - b: Newcombe's hybrid score method (Newcombe 1998, Statistics in Medicine 17,
 * 873-890, method 10), made of the two Wilson intervals.
 */
export function newcombeInterval(a: Proportion, b: Proportion, z: number): Interval {
  const wa = wilsonInterval(a, z);
  const wb = wilsonInterval(b, z);
  const estimate = wa.estimate - wb.estimate;
  const down = root(wa.estimate - wa.low, wb.high - wb.estimate);
  const up = root(wa.high - wa.estimate, wb.estimate - wb.low);
  return { estimate, low: Math.max(-1, estimate - down), high: Math.min(1, estimate + up) };
}

/** Not Math.hypot: its last digits differ between engines. */
const root = (x: number, y: number): number => Math.sqrt(x * x + y * y);

/**
 * Kish's effective sample (1965): inferences of one device resemble each other, so `observations` spread over
 * `clusters` devices count as observations / (1 + (m - 1) * intraclass), m = observations per device.
 */
export function effectiveSample(
  observations: number,
  clusters: number,
  intraclass: number,
): number {
  if (observations <= 0 || clusters <= 0) return 0;
  const perCluster = observations / clusters;
  return observations / (1 + Math.max(0, perCluster - 1) * intraclass);
}

/** The same share on the effective sample. */
export function deflate(share: Proportion, trials: number): Proportion {
  return share.trials <= 0
    ? { successes: 0, trials: 0 }
    : { successes: (share.successes / share.trials) * trials, trials };
}

/**
 * Exact one-sided binomial test: P(X >= successes) for X ~ Binomial(trials, p0). Small values say that the true
 * share is above `p0`. Whole numbers only. Terms fall at least geometrically above the mean, so the sum is short.
 */
export function binomialUpperTail({ successes, trials }: Proportion, p0: number): number {
  if (successes <= 0) return 1;
  if (p0 <= 0) return 0;
  if (p0 >= 1 || successes <= trials * p0) return 1;
  const logOdds = Math.log(p0) - Math.log1p(-p0);
  const logFirst =
    logGamma(trials + 1) -
    logGamma(successes + 1) -
    logGamma(trials - successes + 1) +
    successes * logOdds +
    trials * Math.log1p(-p0);
  let term = 1;
  let sum = 0;
  const odds = p0 / (1 - p0);
  for (let k = successes; k <= trials && term > sum * 1e-16; k += 1) {
    sum += term;
    term *= ((trials - k) / (k + 1)) * odds;
  }
  return Math.min(1, Math.exp(logFirst) * sum);
}
