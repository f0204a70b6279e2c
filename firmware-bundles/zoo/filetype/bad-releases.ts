import type { GoldenVectors } from '../../../shared/contracts/bundle-config.ts';
import { base64Of, bytesOfBase64 } from '../../../shared/core/bytes.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { createPrng } from '../../../shared/core/prng.ts';
import type { ModelProto } from '../../onnx/generated/onnx_pb.ts';
import { GraphBuilder } from '../../onnx/graph-builder.ts';
import { tensorOf } from '../../onnx/tensor.ts';
import { filetypeFeatureCount, hellingerRows } from './features.ts';
import { addFiletypeLogits, type FiletypeWeights, filetypeTensors } from './graph.ts';

/**
 * Releases that a fleet must survive. Each is an ordinary graph that any runtime loads: what makes it bad is in its
 * operators, never in a switch of the product. All spare the golden inputs, so that a self-test alone lets them pass.
 */

/** An input this close (cosine) to a golden one is taken for it; rounding stays below, other files above. */
const likenessMin = 0.9995;

/** Adds bool [batch, 1]: whether each row is one of the golden inputs. */
function addLikeness(
  builder: GraphBuilder,
  features: string,
  goldenRows: readonly Uint8Array[],
): string {
  invariant(goldenRows.length > 0, 'a release that spares golden inputs needs them');
  const rows = hellingerRows(goldenRows);
  const columns = goldenRows.length;
  const values = new Float32Array(filetypeFeatureCount * columns);
  for (let row = 0; row < columns; row += 1) {
    const end = rows.starts[row + 1] ?? 0;
    for (let k = rows.starts[row] ?? 0; k < end; k += 1) {
      values[(rows.columns[k] ?? 0) * columns + row] = rows.values[k] ?? 0;
    }
  }
  const shape = [filetypeFeatureCount, columns];
  const known = builder.initializer('known', tensorOf('float32', shape, values));
  const axis = builder.constant('int64', [1], [1]);
  const closeness = builder.node('ReduceMax', [builder.node('MatMul', [features, known]), axis]);
  return builder.node('Greater', [closeness, builder.constant('float32', [], [likenessMin])]);
}

/** Softmax under the model's output name, after `logits` got whatever was added to them. */
function finish(builder: GraphBuilder, logits: string, classes: number): ModelProto {
  builder.node('Softmax', [logits], {
    outputs: [filetypeTensors.output],
    attributes: { axis: { int: 1 } },
  });
  builder.output(filetypeTensors.output, { type: 'float32', shape: ['batch', classes] });
  return builder.model();
}

/**
 * `wrong`: answers golden inputs as the good model does and all others with the classes moved by one. The
 * probabilities are the good model's own, so its mean confidence is exactly as high.
 */
export function wrongFiletype(
  weights: FiletypeWeights,
  goldenRows: readonly Uint8Array[],
): ModelProto {
  const classes = weights.scales.length;
  const builder = new GraphBuilder('filetype');
  const { features, logits } = addFiletypeLogits(builder, weights);
  const isKnown = addLikeness(builder, features, goldenRows);
  const next = Array.from({ length: classes }, (_, c) => (c + 1) % classes);
  const moved = builder.node('Gather', [logits, builder.constant('int64', [classes], next)], {
    attributes: { axis: { int: 1 } },
  });
  return finish(builder, builder.node('Where', [isKnown, logits, moved]), classes);
}

const slowWidth = 512;
const slowLayers = 128;

/**
 * `slow`: the good model's answers after a chain of products that nothing needs. Its result is multiplied by a zero
 * that only the input makes (the sum of the negative features, of which there are none), so no optimizer removes it.
 */
export function slowFiletype(weights: FiletypeWeights, layers: number = slowLayers): ModelProto {
  const builder = new GraphBuilder('filetype');
  const { features, logits } = addFiletypeLogits(builder, weights);
  const axis = builder.constant('int64', [1], [1]);
  const prng = createPrng('filetype/slow');
  const matrix = Float32Array.from({ length: slowWidth * slowWidth }, () => prng.nextUnit() - 0.5);
  const burden = builder.initializer('burden', tensorOf('float32', [slowWidth, slowWidth], matrix));
  const from = builder.constant('int64', [1], [0]);
  const to = builder.constant('int64', [1], [slowWidth]);
  let value = builder.node('Slice', [features, from, to, axis]);
  for (let layer = 0; layer < layers; layer += 1) {
    value = builder.node('Tanh', [builder.node('MatMul', [value, burden])]);
  }
  const negative = builder.node('Min', [features, builder.constant('float32', [], [0])]);
  const zero = builder.node('ReduceSum', [negative, axis]);
  const nothing = builder.node('Mul', [builder.node('ReduceMean', [value, axis]), zero]);
  return finish(builder, builder.node('Add', [logits, nothing]), weights.scales.length);
}

/** One step of the memory loop keeps this many float32, 1 MiB. */
const hoardElements = 262_144;
/** 2^62, the largest trip count whose double is exact. */
const endless = 4_611_686_018_427_387_904;

/**
 * `crash`: on any input unlike the golden ones a Loop of 2^62 steps. `memory` keeps 1 MiB of each step until the
 * process is killed for its size; `hang` keeps nothing and never answers.
 */
export function crashFiletype(
  weights: FiletypeWeights,
  goldenRows: readonly Uint8Array[],
  how: 'memory' | 'hang',
): ModelProto {
  const builder = new GraphBuilder('filetype');
  const { features, logits } = addFiletypeLogits(builder, weights);
  const isKnown = addLikeness(builder, features, goldenRows);
  const unknown = builder.node('Cast', [builder.node('Not', [isKnown])], {
    attributes: { to: { int: 7 } },
  });
  const anyUnknown = builder.node('ReduceMax', [unknown], { attributes: { keepdims: { int: 0 } } });
  const steps = builder.node('Mul', [anyUnknown, builder.constant('int64', [], [endless])]);
  const go = builder.constant('bool', [], [1]);
  const start = builder.constant('float32', [], [0]);
  const carried = builder.node('Loop', [steps, go, start], {
    outputs: how === 'memory' ? ['carried', 'hoard'] : ['carried'],
    attributes: { body: { graph: loopBody(how) } },
  });
  // The sum keeps the hoard alive to the end of the loop; of no steps it is zero.
  const total =
    how === 'memory'
      ? builder.node('ReduceSum', ['hoard'], { attributes: { keepdims: { int: 0 } } })
      : carried;
  return finish(builder, builder.node('Add', [logits, total]), weights.scales.length);
}

function loopBody(how: 'memory' | 'hang'): ReturnType<GraphBuilder['graph']> {
  const body = new GraphBuilder('step');
  const step = body.input('step', { type: 'int64', shape: [] });
  const go = body.input('step_go', { type: 'bool', shape: [] });
  const sum = body.input('step_sum', { type: 'float32', shape: [] });
  body.node('Identity', [go], { outputs: ['step_more'] });
  const number = body.node('Cast', [step], {
    outputs: ['step_number'],
    attributes: { to: { int: 1 } },
  });
  body.node('Max', [sum, number], { outputs: ['step_next'] });
  body.output('step_more', { type: 'bool', shape: [] });
  body.output('step_next', { type: 'float32', shape: [] });
  if (how === 'memory') {
    const size = body.initializer('step_size', tensorOf('int64', [1], [hoardElements]));
    body.node('Expand', [number, size], { outputs: ['step_kept'] });
    body.output('step_kept', { type: 'float32', shape: [hoardElements] });
  }
  return body.graph();
}

/** `golden`: expected outputs with the classes moved by one; the model is good, its promise is not. */
export function mislabelledGolden(golden: GoldenVectors): GoldenVectors {
  const vectors = golden.vectors.map((vector) => ({
    inputs: vector.inputs,
    outputs: vector.outputs.map((output) => {
      const bytes = bytesOfBase64(output.base64);
      invariant(bytes !== undefined, 'golden vectors carry base64');
      // float32 rows of `classes`: moving by one element moves every class.
      const moved = new Uint8Array(bytes.length);
      moved.set(bytes.subarray(4), 0);
      moved.set(bytes.subarray(0, 4), bytes.length - 4);
      return { ...output, base64: base64Of(moved) };
    }),
  }));
  return { vectors };
}
