import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guardOnnx } from '../../shared/codec/onnx-guard.ts';
import { externalize, internalize } from './external-data.ts';
import { TensorProtoSchema } from './generated/onnx_pb.ts';
import { GraphBuilder } from './graph-builder.ts';
import { readModel } from './model-reader.ts';
import { writeModel } from './model-writer.ts';
import { tensorOf } from './tensor.ts';

function modelWith(weights: readonly (readonly number[])[]) {
  const builder = new GraphBuilder('sum');
  let value = builder.input('x', { type: 'float32', shape: ['batch', 4] });
  weights.forEach((values, index) => {
    const weight = builder.initializer(`w${index}`, tensorOf('float32', [values.length], values));
    value = builder.node('Add', [value, weight], { outputs: [`sum${index}`] });
  });
  builder.output(value, { type: 'float32', shape: ['batch', 4] });
  return builder.model();
}

const valueOf = <T>(result: { ok: true; value: T } | { ok: false; error: unknown }): T => {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
};

describe('externalize', () => {
  it('keeps one blob when two tensors hold the same bytes', () => {
    const moved = externalize(
      modelWith([
        [1, 2, 3, 4],
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ]),
      { bytesMin: 1 },
    );
    expect(moved.tensors.size).toBe(2);
  });

  it('moves a small tensor only when it is replaceable, and locates it by its name', () => {
    const model = modelWith([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
    expect(externalize(model).tensors.size).toBe(0);
    expect([...externalize(model, { replaceable: new Set(['w1']) }).tensors.keys()]).toEqual([
      'w1',
    ]);
  });

  it('moves data that stand in the typed field', () => {
    const model = modelWith([[1, 2, 3, 4]]);
    model.graph!.initializer[0] = create(TensorProtoSchema, {
      name: 'w0',
      dataType: 1,
      dims: [4n],
      floatData: [1, 2, 3, 4],
    });
    const whole = externalize(modelWith([[1, 2, 3, 4]]), { bytesMin: 1 });
    expect(externalize(model, { bytesMin: 1 })).toEqual(whole);
  });

  it('gives the same model back, and a graph the guard passes, whatever the weights', () => {
    const weights = fc.array(fc.array(fc.float({ noNaN: true }), { minLength: 4, maxLength: 4 }), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(weights, (values) => {
        const model = modelWith(values);
        const moved = externalize(model, { bytesMin: 1 });
        const blobs = new Map([...moved.tensors].map(([name, bytes]) => [name, bytes.length]));
        expect(guardOnnx(moved.graph, { blobs }).ok).toBe(true);
        const back = valueOf(internalize(valueOf(readModel(moved.graph)), moved.tensors));
        expect(writeModel(back)).toEqual(writeModel(model));
      }),
    );
  });

  it('refuses to put back a tensor whose blob is missing or short', () => {
    const moved = externalize(modelWith([[1, 2, 3, 4]]), { bytesMin: 1 });
    const model = valueOf(readModel(moved.graph));
    const code = (blobs: Map<string, Uint8Array>): unknown => {
      const back = internalize(model, blobs);
      return back.ok ? 'ok' : back.error.code;
    };
    expect(code(new Map())).toBe('onnx-external-location');
    const [name = ''] = moved.tensors.keys();
    expect(code(new Map([[name, new Uint8Array(3)]]))).toBe('onnx-external-range');
  });
});
