import { describe, expect, it } from 'vitest';
import { openOnnxSession } from '../../../firmware-bundles/evaluate/onnx-session.ts';
import { writeModel } from '../../../firmware-bundles/onnx/model-writer.ts';
import { float32Of, tensorOf } from '../../../firmware-bundles/onnx/tensor.ts';
import { filetypeFeatureCount } from '../../../firmware-bundles/zoo/filetype/features.ts';
import {
  filetypeTraining,
  filetypeTrainingGraph,
} from '../../../firmware-bundles/zoo/filetype/training-graph.ts';
import { guardOnnx } from '../../../shared/codec/onnx-guard.ts';
import { createPrng } from '../../../shared/core/prng.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';

const classes = 4;
const features = filetypeFeatureCount;
const graph = writeModel(filetypeTrainingGraph(classes));

function problem(seed: string, batch: number, lr: number) {
  const prng = createPrng(seed);
  const uniform = (n: number, scale: number) =>
    Array.from({ length: n }, () => scale * (prng.nextUnit() - 0.5));
  const counts = Array.from({ length: batch * features }, () =>
    prng.nextUnit() < 0.1 ? prng.nextBelow(200) : 0,
  );
  return {
    counts: tensorOf('uint8', [batch, features], counts),
    labels: tensorOf(
      'int64',
      [batch],
      Array.from({ length: batch }, () => prng.nextBelow(classes)),
    ),
    weights: tensorOf('float32', [features, classes], uniform(features * classes, 2)),
    bias: tensorOf('float32', [classes], uniform(classes, 2)),
    lr: tensorOf('float32', [], [lr]),
  };
}
type Problem = ReturnType<typeof problem>;

const numbers = (outputs: ReadonlyMap<string, Tensor>, name: string): Float32Array => {
  const tensor = outputs.get(name);
  if (tensor === undefined) throw new Error(`no output ${name}`);
  return float32Of(tensor);
};

describe('filetypeTrainingGraph', () => {
  it('has the inputs and outputs of the training contract and passes the guard', async () => {
    const session = await openOnnxSession({ graph });
    expect([...session.inputs]).toEqual(['counts', 'labels', 'weights', 'bias', 'lr']);
    expect([...session.outputs]).toEqual([
      'loss',
      'grad/weights',
      'next/weights',
      'grad/bias',
      'next/bias',
    ]);
    await session.close();
    expect(guardOnnx(graph, { blobs: new Map() }).ok).toBe(true);
  });

  it.each([1, 7])(
    'agrees with finite differences along ten directions at batch %i',
    async (batch) => {
      const session = await openOnnxSession({ graph });
      const at = problem(`finite/${batch}`, batch, 0);
      const outputs = await session.run(at);
      for (let direction = 0; direction < 10; direction += 1) {
        for (const name of ['weights', 'bias'] as const) {
          const prng = createPrng(`direction/${direction}/${name}`);
          const along = Float32Array.from(float32Of(at[name]), () => (prng.nextBelow(2) ? 1 : -1));
          const step = 1e-2;
          const lossAt = async (sign: number): Promise<number> => {
            const moved = float32Of(at[name]).map((w, i) => w + sign * step * along[i]!);
            const fed: Problem = { ...at, [name]: tensorOf('float32', at[name].shape, moved) };
            return numbers(await session.run(fed), 'loss')[0]!;
          };
          const slope = ((await lossAt(1)) - (await lossAt(-1))) / (2 * step);
          const told = numbers(outputs, `grad/${name}`).reduce(
            (sum, g, i) => sum + g * along[i]!,
            0,
          );
          expect(Math.abs(told - slope)).toBeLessThan(2e-3 * Math.max(1, Math.abs(slope)));
        }
      }
      await session.close();
    },
  );

  it('steps against the gradient by the learning rate', async () => {
    const session = await openOnnxSession({ graph });
    const at = problem('step', 5, 0.25);
    const outputs = await session.run(at);
    for (const name of ['weights', 'bias'] as const) {
      const grad = numbers(outputs, `grad/${name}`);
      const expected = float32Of(at[name]).map((w, i) => w - 0.25 * grad[i]!);
      const next = numbers(outputs, `next/${name}`);
      next.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
    }
    await session.close();
  });

  it('carries float32 start values in the shapes that the graph asks for', () => {
    const bias = new Float32Array(classes).fill(0.5);
    const training = filetypeTraining({ weights: new Float32Array(features * classes), bias });
    expect(training.graph).toEqual(graph);
    expect(training.parameters.map(({ name, shape }) => [name, shape])).toEqual([
      ['weights', [features, classes]],
      ['bias', [classes]],
    ]);
    expect(training.parameters.map(({ initial }) => initial.length)).toEqual([
      4 * features * classes,
      4 * classes,
    ]);
  });

  it('lowers the loss when its own output is fed back', async () => {
    const session = await openOnnxSession({ graph });
    let at = problem('descent', 16, 1);
    const losses: number[] = [];
    for (let round = 0; round < 30; round += 1) {
      const outputs = await session.run(at);
      losses.push(numbers(outputs, 'loss')[0]!);
      at = { ...at, weights: outputs.get('next/weights')!, bias: outputs.get('next/bias')! };
    }
    expect(losses.at(-1)!).toBeLessThan(0.7 * losses[0]!);
    await session.close();
  });
});
