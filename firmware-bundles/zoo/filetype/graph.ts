import type { ModelProto } from '../../onnx/generated/onnx_pb.ts';
import { GraphBuilder } from '../../onnx/graph-builder.ts';
import { bytesOfArray, tensorOf } from '../../onnx/tensor.ts';
import type { QuantizedWeights } from '../../optimize/quantize-weights.ts';
import { filetypeFeatureCount } from './features.ts';

/** Names that bundle, training graph and candidate agree on. */
export const filetypeTensors = {
  input: 'counts',
  output: 'probabilities',
  weights: 'weights',
  scales: 'weights_scale',
  bias: 'bias',
} as const;

/** Tensors that a federated candidate replaces; external in every bundle, whatever their size. */
export const filetypeTrainable: ReadonlySet<string> = new Set([
  filetypeTensors.weights,
  filetypeTensors.scales,
  filetypeTensors.bias,
]);

export interface FiletypeWeights extends QuantizedWeights {
  readonly bias: Float32Array;
}

/** Square root and unit length, as in `hellingerRows`. Returns the name of float32 [batch, features]. */
export function addHellinger(builder: GraphBuilder, counts: string): string {
  const numbers = builder.node('Cast', [counts], { attributes: { to: { int: 1 } } });
  const roots = builder.node('Sqrt', [numbers]);
  const axis = builder.constant('int64', [1], [1]);
  const length = builder.node('ReduceL2', [roots, axis]);
  // A window without a byte has length zero: it stays zero instead of becoming NaN.
  const floor = builder.constant('float32', [], [1e-6]);
  return builder.node('Div', [roots, builder.node('Max', [length, floor])]);
}

/**
 * Adds input, pre-processing and the quantized linear layer; returns features and logits. With full optimization the
 * runtime fuses DequantizeLinear and MatMul into a kernel that rounds the features to int8 as well: answers then
 * differ by about 0.002 from the unfused graph.
 */
export function addFiletypeLogits(
  builder: GraphBuilder,
  model: FiletypeWeights,
): { readonly features: string; readonly logits: string } {
  const classes = model.scales.length;
  const counts = builder.input(filetypeTensors.input, {
    type: 'uint8',
    shape: ['batch', filetypeFeatureCount],
  });
  const features = addHellinger(builder, counts);
  const weights = builder.initializer(filetypeTensors.weights, {
    type: 'int8',
    shape: [filetypeFeatureCount, classes],
    bytes: bytesOfArray(model.int8),
  });
  const scales = builder.initializer(
    filetypeTensors.scales,
    tensorOf('float32', [classes], model.scales),
  );
  const bias = builder.initializer(
    filetypeTensors.bias,
    tensorOf('float32', [classes], model.bias),
  );
  const floats = builder.node('DequantizeLinear', [weights, scales], {
    attributes: { axis: { int: 1 } },
  });
  const logits = builder.node('Add', [builder.node('MatMul', [features, floats]), bias]);
  return { features, logits };
}

/** The inference graph: uint8 counts [batch, features] to float32 probabilities [batch, classes]. */
export function filetypeModel(model: FiletypeWeights): ModelProto {
  const builder = new GraphBuilder('filetype');
  const { logits } = addFiletypeLogits(builder, model);
  builder.node('Softmax', [logits], {
    outputs: [filetypeTensors.output],
    attributes: { axis: { int: 1 } },
  });
  builder.output(filetypeTensors.output, {
    type: 'float32',
    shape: ['batch', model.scales.length],
  });
  return builder.model();
}
