import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dequantizeWeights, quantizeWeights } from './quantize-weights.ts';

describe('quantizeWeights', () => {
  it('stays within half a scale of every weight, and a second time changes nothing', () => {
    const matrix = fc.integer({ min: 1, max: 5 }).chain((columns) =>
      fc
        .array(fc.float({ noNaN: true, min: -1000, max: 1000 }), { minLength: 1, maxLength: 40 })
        .map((values) => ({
          columns,
          weights: Float32Array.from({ length: values.length * columns }, (_, i) => {
            return values[i % values.length] ?? 0;
          }),
        })),
    );
    fc.assert(
      fc.property(matrix, ({ columns, weights }) => {
        const quantized = quantizeWeights(weights, columns);
        const back = dequantizeWeights(quantized);
        weights.forEach((weight, at) => {
          const scale = quantized.scales[at % columns]!;
          expect(Math.abs(weight - back[at]!)).toBeLessThanOrEqual(scale * 0.5001);
        });
        expect(quantizeWeights(back, columns).int8).toEqual(quantized.int8);
      }),
    );
  });

  it('gives a column of zeros the scale 1', () => {
    expect(quantizeWeights(Float32Array.of(0, 2, 0, -2), 2).scales).toEqual(
      Float32Array.of(1, 2 / 127),
    );
  });

  it('rounds halves to even as ONNX does', () => {
    const weights = Float32Array.of(127, 0.5, 1.5, 2.5, -0.5, -1.5);
    expect([...quantizeWeights(weights, 1).int8]).toEqual([127, 0, 2, 2, 0, -2]);
  });

  it('refuses weights that are not finite', () => {
    expect(() => quantizeWeights(Float32Array.of(Infinity), 1)).toThrow('finite');
    expect(() => quantizeWeights(Float32Array.of(Number.NaN), 1)).toThrow('finite');
  });
});
