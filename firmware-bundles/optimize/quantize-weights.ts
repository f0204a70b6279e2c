import { invariant } from '../../shared/core/invariant.ts';

/** Weights as int8 with one scale per column: `float = int8 * scale[column]`. */
export interface QuantizedWeights {
  /** Row-major [rows, columns]. */
  readonly int8: Int8Array;
  /** [columns]. */
  readonly scales: Float32Array;
}

/** The least float32 with full precision, 2^-126. */
const smallestNormal = 1.1754943508222875e-38;

/**
 * Symmetric per-column quantization: scale = largest magnitude / 127, round half to even, no zero point.
 * The error of a weight is at most half a scale. A column of zeros, or so small that its scale
 * would underflow float32, gets
 * scale 1.
 */
export function quantizeWeights(weights: Float32Array, columns: number): QuantizedWeights {
  invariant(columns > 0 && weights.length % columns === 0, 'weights are not whole rows');
  const scales = new Float32Array(columns);
  weights.forEach((weight, at) => {
    const column = at % columns;
    scales[column] = Math.max(scales[column] ?? 0, Math.abs(weight));
  });
  scales.forEach((largest, column) => {
    invariant(Number.isFinite(largest), 'weights must be finite');
    scales[column] = largest >= 127 * smallestNormal ? largest / 127 : 1;
  });
  const int8 = Int8Array.from(weights, (weight, at) => {
    const level = roundHalfToEven(weight / (scales[at % columns] ?? 1));
    return Math.max(-127, Math.min(127, level));
  });
  return { int8, scales };
}

export function dequantizeWeights({ int8, scales }: QuantizedWeights): Float32Array {
  const columns = scales.length;
  return Float32Array.from(int8, (level, at) => level * (scales[at % columns] ?? 1));
}

/** The rounding of ONNX QuantizeLinear. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
