/**
 * Quantile of the standard normal distribution: P(Z <= z) = `probability`, relative error below 1e-9.
 * Rational approximation of Acklam (2003).
 */
export function normalQuantile(probability: number): number {
  if (probability <= 0) return Number.NEGATIVE_INFINITY;
  if (probability >= 1) return Number.POSITIVE_INFINITY;
  if (probability > 0.5) return -normalQuantile(1 - probability);
  if (probability < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(probability));
    return polynomial(tailNumerator, q) / (polynomial(tailDenominator, q) * q + 1);
  }
  const q = probability - 0.5;
  const r = q * q;
  return (polynomial(middleNumerator, r) * q) / (polynomial(middleDenominator, r) * r + 1);
}

/** Upper quantile: P(Z > z) = `tail`. */
export const normalUpperQuantile = (tail: number): number => -normalQuantile(tail);

const middleNumerator = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716,
  2.506628277459239,
];
const middleDenominator = [
  -54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572,
];
const tailNumerator = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734,
  4.374664141464968, 2.938163982698783,
];
const tailDenominator = [
  0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416,
];

const polynomial = (coefficients: readonly number[], x: number): number =>
  coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
