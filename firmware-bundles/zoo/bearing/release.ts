import type { ModelProto } from '../../onnx/generated/onnx_pb.ts';
import { GraphBuilder } from '../../onnx/graph-builder.ts';
import { bytesOfArray, tensorOf } from '../../onnx/tensor.ts';
import {
  fitSoftmaxRegression,
  type LinearClassifier,
  type SparseRows,
} from '../../train/softmax-regression.ts';
import type { BearingSample } from './data-set.ts';
import { bearingFeatureNames } from './features.ts';
import { bearingStates } from './vibration.ts';

export const bearingTensors = { input: 'features', output: 'probabilities' } as const;

/** Mean and deviation of each feature over what was learned; part of the graph. */
export interface Standardization {
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

/** Fits on the samples and writes the graph: standardize, linear layer, softmax. */
export function fitBearing(samples: readonly BearingSample[]): ModelProto {
  const scale = standardizationOf(samples);
  const classifier = fitSoftmaxRegression(
    {
      rows: standardizedRows(samples, scale),
      labels: Uint8Array.from(samples, (sample) => sample.label),
      features: bearingFeatureNames.length,
      classes: bearingStates.length,
    },
    { epochs: 30, learningRate: 0.3, decay: 1e-4, seed: 'bearing/fit' },
  );
  return bearingModel(classifier, scale);
}

/** float32 features [batch, features] to float32 probabilities [batch, states]. */
export function bearingModel(classifier: LinearClassifier, scale: Standardization): ModelProto {
  const features = bearingFeatureNames.length;
  const classes = bearingStates.length;
  const builder = new GraphBuilder('bearing');
  const input = builder.input(bearingTensors.input, {
    type: 'float32',
    shape: ['batch', features],
  });
  const mean = builder.initializer('mean', tensorOf('float32', [features], scale.mean));
  const deviation = builder.initializer(
    'deviation',
    tensorOf('float32', [features], scale.deviation),
  );
  const weights = builder.initializer(
    'weights',
    tensorOf('float32', [features, classes], classifier.weights),
  );
  const bias = builder.initializer('bias', tensorOf('float32', [classes], classifier.bias));
  const standard = builder.node('Div', [builder.node('Sub', [input, mean]), deviation]);
  const logits = builder.node('Gemm', [standard, weights, bias]);
  builder.node('Softmax', [logits], {
    outputs: [bearingTensors.output],
    attributes: { axis: { int: 1 } },
  });
  builder.output(bearingTensors.output, { type: 'float32', shape: ['batch', classes] });
  return builder.model();
}

/** The bytes of one sample's row, as the model's input holds them. */
export const bearingRow = (sample: BearingSample): Uint8Array => bytesOfArray(sample.features);

function standardizationOf(samples: readonly BearingSample[]): Standardization {
  const mean = new Float32Array(bearingFeatureNames.length);
  const deviation = new Float32Array(bearingFeatureNames.length);
  for (let feature = 0; feature < mean.length; feature += 1) {
    let sum = 0;
    let squares = 0;
    for (const sample of samples) {
      const value = sample.features[feature] ?? 0;
      sum += value;
      squares += value * value;
    }
    const centre = sum / samples.length;
    mean[feature] = centre;
    deviation[feature] = Math.sqrt(Math.max(1e-12, squares / samples.length - centre * centre));
  }
  return { mean, deviation };
}

function standardizedRows(samples: readonly BearingSample[], scale: Standardization): SparseRows {
  const width = bearingFeatureNames.length;
  const columns = Uint16Array.from({ length: samples.length * width }, (_, at) => at % width);
  const values = Float32Array.from(columns, (feature, at) => {
    const value = samples[Math.floor(at / width)]?.features[feature] ?? 0;
    return (value - (scale.mean[feature] ?? 0)) / (scale.deviation[feature] ?? 1);
  });
  const starts = Uint32Array.from({ length: samples.length + 1 }, (_, row) => row * width);
  return { starts, columns, values };
}
