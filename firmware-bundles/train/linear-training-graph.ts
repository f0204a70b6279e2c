import type { ModelProto } from '../onnx/generated/onnx_pb.ts';
import { GraphBuilder } from '../onnx/graph-builder.ts';

export interface LinearTrainingGraph {
  /** Name of the graph, for people. */
  readonly name: string;
  readonly features: number;
  readonly classes: number;
  readonly input: { readonly name: string; readonly type: 'uint8' | 'float32' };
  /** Names of the trainable tensors, float32 [features, classes] and [classes]. */
  readonly weights: string;
  readonly bias: string;
  /** Adds what stands between the input and the linear layer; returns float32 [batch, features]. */
  readonly addFeatures: (builder: GraphBuilder, input: string) => string;
}

/**
 * One step of gradient descent for a linear classifier under softmax cross-entropy, in plain operators: inputs are
 * the model's input, `labels` int64 [batch], the trainable tensors and `lr`; outputs are `loss` (mean over the
 * batch), `grad/<name>` and `next/<name> = <name> - lr * grad`. With p = softmax(x W + b) and onehot labels y:
 * dW = x^T (p - y) / n, db = sum (p - y) / n.
 */
export function linearTrainingGraph(form: LinearTrainingGraph): ModelProto {
  const { features, classes } = form;
  const builder = new GraphBuilder(form.name);
  const input = builder.input(form.input.name, {
    type: form.input.type,
    shape: ['batch', features],
  });
  const labels = builder.input('labels', { type: 'int64', shape: ['batch'] });
  const weights = builder.input(form.weights, { type: 'float32', shape: [features, classes] });
  const bias = builder.input(form.bias, { type: 'float32', shape: [classes] });
  const rate = builder.input('lr', { type: 'float32', shape: [] });

  const x = form.addFeatures(builder, input);
  const logits = builder.node('Add', [builder.node('MatMul', [x, weights]), bias]);
  const logShares = builder.node('LogSoftmax', [logits], { attributes: { axis: { int: 1 } } });
  const depth = builder.constant('int64', [], [classes]);
  const offOn = builder.constant('float32', [2], [0, 1]);
  const onehot = builder.node('OneHot', [labels, depth, offOn], {
    attributes: { axis: { int: 1 } },
  });

  const classAxis = builder.constant('int64', [1], [1]);
  const chosen = builder.node('ReduceSum', [builder.node('Mul', [logShares, onehot]), classAxis], {
    attributes: { keepdims: { int: 0 } },
  });
  const mean = builder.node('ReduceMean', [chosen], { attributes: { keepdims: { int: 0 } } });
  builder.node('Neg', [mean], { outputs: ['loss'] });
  builder.output('loss', { type: 'float32', shape: [] });

  const difference = builder.node('Sub', [builder.node('Exp', [logShares]), onehot]);
  const size = builder.node('Cast', [builder.node('Size', [labels])], {
    attributes: { to: { int: 1 } },
  });
  const slope = builder.node('Div', [difference, size]);
  const batchAxis = builder.constant('int64', [1], [0]);
  builder.node('Gemm', [x, slope], {
    outputs: [`grad/${form.weights}`],
    attributes: { transA: { int: 1 } },
  });
  builder.node('ReduceSum', [slope, batchAxis], {
    outputs: [`grad/${form.bias}`],
    attributes: { keepdims: { int: 0 } },
  });
  const shapes = new Map([
    [form.weights, [features, classes]],
    [form.bias, [classes]],
  ]);
  for (const [name, shape] of shapes) {
    builder.output(`grad/${name}`, { type: 'float32', shape });
    const step = builder.node('Mul', [rate, `grad/${name}`]);
    builder.node('Sub', [name === form.weights ? weights : bias, step], {
      outputs: [`next/${name}`],
    });
    builder.output(`next/${name}`, { type: 'float32', shape });
  }
  return builder.model();
}
