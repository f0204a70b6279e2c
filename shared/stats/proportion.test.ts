import { describe, expect, it } from 'vitest';
import { normalQuantile, normalUpperQuantile } from './normal.ts';
import {
  binomialUpperTail,
  deflate,
  effectiveSample,
  newcombeInterval,
  type Proportion,
  wilsonInterval,
} from './proportion.ts';

const z95 = 1.959963984540054;

const shareOf = (text: string): Proportion => {
  const [successes = 0, trials = 0] = text.split('/').map(Number);
  return { successes, trials };
};

describe('wilsonInterval', () => {
  // Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('agrees with the published interval of %i of %i', (successes, trials, low, high) => {
    const interval = wilsonInterval({ successes, trials }, z95);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  it('knows nothing without trials', () => {
    expect(wilsonInterval({ successes: 0, trials: 0 }, z95)).toMatchObject({ low: 0, high: 1 });
  });
});

describe('newcombeInterval', () => {
  // Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10.
  it.each([
    ['56/70', '48/80', 0.0524, 0.3339],
    ['9/10', '3/10', 0.1705, 0.809],
    ['5/56', '0/29', -0.0381, 0.1926],
    ['0/10', '0/20', -0.1611, 0.2775],
    ['10/10', '0/20', 0.6791, 1],
  ])('agrees with the published interval of %s - %s', (a, b, low, high) => {
    const interval = newcombeInterval(shareOf(a), shareOf(b), z95);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });
});

describe('binomialUpperTail', () => {
  // Exact rational sums.
  it.each([
    [2, 2, 0.05, 0.0025],
    [3, 20, 0.05, 0.07548367378849634],
    [60, 1000, 0.04, 0.0015153048353646831],
    [9, 11, 0.5, 0.03271484375],
  ])('sums the tail of %i of %i at %f exactly', (successes, trials, p0, tail) => {
    expect(binomialUpperTail({ successes, trials }, p0)).toBeCloseTo(tail, 12);
  });

  it('stays a probability for a fleet of a million, and at the ends', () => {
    // SciPy 1.17.1: scipy.stats.binom.sf(50_499, 1_000_000, 0.05)
    expect(binomialUpperTail({ successes: 50_500, trials: 1_000_000 }, 0.05)).toBeCloseTo(
      0.011041122391130916,
      9,
    );
    expect(binomialUpperTail({ successes: 0, trials: 5 }, 0.05)).toBe(1);
    expect(binomialUpperTail({ successes: 1, trials: 5 }, 0)).toBe(0);
    expect(binomialUpperTail({ successes: 5, trials: 5 }, 1)).toBe(1);
  });
});

describe('normalQuantile', () => {
  // scipy.stats.norm.ppf
  it.each([
    [0.5, 0],
    [0.975, 1.959963984540054],
    [0.9, 1.2815515655446004],
    [0.001, -3.090232306167813],
    [1e-7, -5.199337582192816],
  ])('inverts the distribution at %f', (probability, z) => {
    expect(normalQuantile(probability)).toBeCloseTo(z, 7);
    expect(normalUpperQuantile(probability)).toBeCloseTo(-z, 7);
  });
});

describe('effectiveSample', () => {
  it('shrinks 100 alike inferences of each device by the design effect 5.95', () => {
    expect(effectiveSample(20_000, 200, 0.05)).toBeCloseTo(20_000 / 5.95, 9);
    expect(effectiveSample(200, 200, 0.05)).toBe(200);
    expect(effectiveSample(0, 0, 0.05)).toBe(0);
  });

  it('keeps the share when it deflates', () => {
    expect(deflate({ successes: 30, trials: 100 }, 10)).toEqual({ successes: 3, trials: 10 });
    expect(deflate({ successes: 0, trials: 0 }, 10)).toEqual({ successes: 0, trials: 0 });
  });
});
