import { limits } from '../../../shared/contracts/limits.ts';

/**
 * Sums of updates as integers: a value becomes `round(value * weight * scale)`, and integers add up to the same sum in
 * any order. The scale is a power of two, so scaling is exact and only the rounding (half a unit) is lost.
 */
export const fixedPoint = {
  /** Magnitude of the largest accepted value, in units. 255 of them stay below 2^31. */
  unitsMax: 1 << 22,
  /** Votes are multiples of 1/256: one device has at most 256, at least one. */
  votesMax: 256,
  /** Updates in 32-bit partial sums before they move into 64-bit ones. */
  updatesPerPartial: 255,
  /** Elements per block; the norm is summed block by block, in eight lanes, so that each engine gets the same bits. */
  blockElements: 4_096,
} as const;

/** The largest power of two with `clipNorm * (1 + slack) * scale <= unitsMax`; no single value exceeds the norm. */
export function scaleFor(clipNorm: number): number {
  const largest = clipNorm * (1 + limits.updateNormSlack);
  let scale = 1;
  while (largest * scale * 2 <= fixedPoint.unitsMax) scale *= 2;
  while (largest * scale > fixedPoint.unitsMax) scale /= 2;
  return scale;
}

/**
 * One device, one bounded vote: grows with its claimed samples up to the cap and not beyond. Sample counts are
 * claims, so a device that lies gains at most what the cap gives everybody.
 */
export function votesOf(samples: number, samplesMax: number): number {
  const share = Math.min(Math.max(samples, 0), samplesMax) / samplesMax;
  return Math.max(1, Math.floor(fixedPoint.votesMax * share));
}

/** Factor from a value to its units, exact in float32: a power of two times at most eight bits. */
export const multiplierOf = (scale: number, votes: number): number =>
  Math.fround((scale * votes) / fixedPoint.votesMax);

/** Adds `round(value * multiplier)` to each sum, ties to even, in float32 before rounding. */
export function foldValues(
  sums: Float64Array | Int32Array,
  values: Float32Array,
  multiplier: number,
): void {
  for (let i = 0; i < values.length; i += 1) {
    sums[i] = (sums[i] ?? 0) + roundHalfToEven(Math.fround((values[i] ?? 0) * multiplier));
  }
}

/** 1.5 * 2^52: adding and taking it away leaves an integer, rounded to even, for magnitudes below 2^51. */
const roundingShift = 6_755_399_441_055_744;
const roundHalfToEven = (value: number): number => value + roundingShift - roundingShift;

/** Sum of squares; not finite when a value is not. float32 squares cannot overflow float64. */
export function squaredNormOf(values: Float32Array): number {
  const lanes = new Float64Array(8);
  let total = 0;
  for (let from = 0; from < values.length; from += fixedPoint.blockElements) {
    const end = Math.min(values.length, from + fixedPoint.blockElements);
    lanes.fill(0);
    for (let i = from; i < end; i += 1) {
      const value = values[i] ?? 0;
      lanes[i & 7] = (lanes[i & 7] ?? 0) + value * value;
    }
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = lanes;
    total += a + b + (c + d) + (e + f + (g + h));
  }
  return total;
}

/** Weighted mean: sums back in their unit, divided by the votes cast. */
export function meanOf(
  sums: Float64Array,
  { scale, votes }: { readonly scale: number; readonly votes: number },
): Float32Array {
  const divisor = (scale * votes) / fixedPoint.votesMax;
  return Float32Array.from(sums, (sum) => sum / divisor);
}
