import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { externalize } from './external-data.ts';
import { TensorProtoSchema } from './generated/onnx_pb.ts';
import { GraphBuilder } from './graph-builder.ts';
import { readModel } from './model-reader.ts';
import { tensorOf } from './tensor.ts';
import { precisionProblem, weightPrecisionOf } from './weight-precision.ts';

/** A QDQ layer: int8 weights beside float32 scales and bias, and a shape that is no weight. */
function quantized(columns: number) {
  const builder = new GraphBuilder('layer');
  const x = builder.input('x', { type: 'float32', shape: ['batch', 64] });
  const int8 = tensorOf('int8', [64, columns], new Array<number>(64 * columns).fill(3));
  const weights = builder.initializer('w', int8);
  const ones = new Array<number>(columns).fill(1);
  const scale = builder.initializer('w_scale', tensorOf('float32', [columns], ones));
  const plain = builder.node('DequantizeLinear', [weights, scale], {
    attributes: { axis: { int: 1 } },
  });
  const y = builder.node('MatMul', [x, plain]);
  const shape = builder.initializer('shape', tensorOf('int64', [2], [-1, columns]));
  const z = builder.node('Reshape', [y, shape]);
  builder.output(z, { type: 'float32', shape: ['batch', columns] });
  return builder.model();
}

/** Nothing but one tensor of an ONNX type. */
function modelOf(dataType: number, elements = 8) {
  const model = new GraphBuilder('one').model();
  const dims = [BigInt(elements)];
  model.graph!.initializer.push(create(TensorProtoSchema, { name: 'w', dataType, dims }));
  return model;
}

describe('weightPrecisionOf', () => {
  it('when weights are int8 with float32 scales, says int8, also of a graph whose weights lie outside', () => {
    expect(weightPrecisionOf(quantized(16))).toBe('int8');
    const { graph, tensors } = externalize(quantized(16), { bytesMin: 1 });
    expect(tensors.size).toBeGreaterThan(0);
    const read = readModel(graph);
    expect(read.ok && weightPrecisionOf(read.value)).toBe('int8');
  });

  it.each([
    [1, 'float32'],
    [2, 'int8'],
    [10, 'float16'],
    [11, 'float64'],
    [16, 'bfloat16'],
    [17, 'float8'],
    [22, 'int4'],
  ])('when the only tensor has the ONNX type %i, says %s', (dataType, precision) => {
    expect(weightPrecisionOf(modelOf(dataType))).toBe(precision);
  });

  it('when there are only shapes and indices, or nothing, says nothing', () => {
    expect(weightPrecisionOf(modelOf(7))).toBeUndefined();
    expect(weightPrecisionOf(modelOf(1, 0))).toBeUndefined();
    expect(weightPrecisionOf(new GraphBuilder('none').model())).toBeUndefined();
  });
});

describe('precisionProblem', () => {
  it('when a claim is not what the graph holds, says both; no claim is no problem', () => {
    expect(precisionProblem(undefined, 'float32')).toBeUndefined();
    expect(precisionProblem('int8', 'int8')).toBeUndefined();
    expect(precisionProblem('int8', 'float32')).toEqual({
      code: 'precision-mismatch',
      message: 'precision is said to be int8, but most weights are float32',
    });
    expect(precisionProblem('int8', undefined)?.message).toContain('no weights');
  });
});
