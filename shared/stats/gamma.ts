/** ln Gamma(x) for x > 0, relative error about 1e-15: Lanczos approximation (1964), g = 7, n = 9. */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - logGamma(1 - x);
  let sum = lanczos[0] ?? 0;
  for (let i = 1; i < lanczos.length; i += 1) sum += (lanczos[i] ?? 0) / (x - 1 + i);
  const t = x + 6.5;
  return 0.9189385332046727 + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

const lanczos = [
  0.9999999999998099, 676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406,
  12.507343278686905, -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
];

/**
 * Survival function of the chi-squared distribution, the regularized upper incomplete gamma Q(df/2, x/2):
 * series below, Lentz's continued fraction above df/2 + 1 (Abramowitz and Stegun 6.5.29, 6.5.31).
 */
export function chiSquaredTail(x: number, degreesOfFreedom: number): number {
  if (x <= 0) return 1;
  const a = degreesOfFreedom / 2;
  const y = x / 2;
  const front = Math.exp(a * Math.log(y) - y - logGamma(a));
  if (y < a + 1) return Math.max(0, 1 - (front * lowerSeries(a, y)) / a);
  return Math.min(1, front * upperFraction(a, y));
}

/** Both expansions converge within a few times sqrt(a) terms in the region they are used in. */
const termsMax = 10_000;

function lowerSeries(a: number, y: number): number {
  let term = 1;
  let sum = 1;
  for (let n = 1; n < termsMax && term > sum * 1e-16; n += 1) {
    term *= y / (a + n);
    sum += term;
  }
  return sum;
}

function upperFraction(a: number, y: number): number {
  let b = y + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let value = d;
  for (let n = 1; n < termsMax; n += 1) {
    const numerator = -n * (n - a);
    b += 2;
    d = 1 / nonZero(numerator * d + b);
    c = nonZero(b + numerator / c);
    value *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return value;
}

const nonZero = (x: number): number => (Math.abs(x) < 1e-300 ? 1e-300 : x);
