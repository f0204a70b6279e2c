import type { ModelProto } from '../../onnx/generated/onnx_pb.ts';
import { writeModel } from '../../onnx/model-writer.ts';
import { bytesOfArray } from '../../onnx/tensor.ts';
import { linearTrainingGraph } from '../../train/linear-training-graph.ts';
import type { LinearClassifier } from '../../train/softmax-regression.ts';
import { filetypeFeatureCount } from './features.ts';
import { addHellinger, filetypeTensors } from './graph.ts';

/** The training graph of a `filetype` bundle: float32 weights are inputs, the int8 model is made of the result. */
export const filetypeTrainingGraph = (classes: number): ModelProto =>
  linearTrainingGraph({
    name: 'filetype-training',
    features: filetypeFeatureCount,
    classes,
    input: { name: filetypeTensors.input, type: 'uint8' },
    weights: filetypeTensors.weights,
    bias: filetypeTensors.bias,
    addFeatures: addHellinger,
  });

/** What a bundle carries for federated rounds: the graph, and each trainable tensor's float32 start value. */
export interface FiletypeTraining {
  readonly graph: Uint8Array;
  readonly parameters: readonly {
    readonly name: string;
    readonly shape: number[];
    readonly initial: Uint8Array;
  }[];
}

export function filetypeTraining(classifier: LinearClassifier): FiletypeTraining {
  const classes = classifier.bias.length;
  return {
    graph: writeModel(filetypeTrainingGraph(classes)),
    parameters: [
      {
        name: filetypeTensors.weights,
        shape: [filetypeFeatureCount, classes],
        initial: bytesOfArray(classifier.weights),
      },
      { name: filetypeTensors.bias, shape: [classes], initial: bytesOfArray(classifier.bias) },
    ],
  };
}
