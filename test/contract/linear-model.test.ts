import { describe, expect, it } from 'vitest';
import { createPrng } from '../../shared/core/prng.ts';
import type { OpenSession, Tensor } from '../../shared/ports/inference-runtime.ts';
import type { MemoryModel } from '../../shared/runtime/memory/memory-model.ts';
import { createMemoryRuntime } from '../../shared/runtime/memory/memory-runtime.ts';
import { createOnnxRuntime } from '../../shared/runtime/onnx-runtime.ts';
import {
  learningBundle,
  learningForm,
  parentParameters,
} from '../../sim/scenarios/learning-bundle.ts';
import { linearClassifier, linearTraining } from '../../sim/world/linear-model.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';

const bundle = learningBundle();
const [variant] = bundle.config.variants;
/** Nobody moves this world's time. */
const form = { ...learningForm, runMs: 0 };
const blob = (digest: string): Uint8Array => bundle.blobs.get(digest as typeof bundle.digest)!;

const floats = (shape: readonly number[], values: readonly number[]): Tensor => ({
  ...{ type: 'float32', shape },
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});
const valuesOf = (tensor: Tensor | undefined): number[] => [
  ...new Float32Array(tensor!.bytes.slice().buffer),
];

/** The same call to the real runtime's graph and to its twin. */
async function askBoth(
  graph: OpenSession['model'],
  twin: MemoryModel,
  given: () => ReadonlyMap<string, Tensor>,
) {
  const clock = new SimClock(new WorldTime(), 'twin');
  const memory = createMemoryRuntime({ clock, providers: ['cpu'], modelOf: async () => twin });
  const answers = [];
  for (const runtime of [createOnnxRuntime(), memory]) {
    const session = await runtime.open({
      ...{ model: graph, host: 'worker' },
      limits: {
        ...{ loadTimeoutMs: 20_000, runTimeoutMs: 20_000 },
        ...{ memoryBytesMax: 1 << 30, queueMax: 1 },
      },
      options: { provider: 'cpu', threads: 1, graphOptimization: 'basic' },
    });
    const { inputs, outputs } = session;
    answers.push({ inputs, names: outputs, answer: (await session.run(given())).outputs });
    await session.close();
  }
  const [real, simulated] = answers;
  return { real: real!, simulated: simulated! };
}

const drawn = (seed: string, count: number): number[] => {
  const prng = createPrng(seed);
  return Array.from({ length: count }, () => 4 * prng.nextUnit() - 2);
};

describe('the arithmetic twin of a linear model', () => {
  it.each([1, 9])('on a batch of %i, classifies as the graph of its bundle does', async (rows) => {
    const { graph, tensors } = variant!;
    const external = new Map(tensors.map(({ location, digest }) => [location, blob(digest)]));
    const { real, simulated } = await askBoth(
      { kind: 'memory', graph: blob(graph), tensors: external },
      linearClassifier(form, parentParameters),
      () => new Map([['x', floats([rows, 2], drawn('rows', 2 * rows))]]),
    );
    expect([simulated.inputs, simulated.names]).toEqual([real.inputs, real.names]);
    const expected = valuesOf(real.answer.get('y'));
    expect(simulated.answer.get('y')!.shape).toEqual([rows, 2]);
    valuesOf(simulated.answer.get('y')).forEach((value, at) => {
      expect(value).toBeCloseTo(expected[at]!, 6);
    });
  });

  it.each([
    [1, 0.5],
    [8, 2],
    [8, 0],
  ])(
    'on a batch of %i at rate %d, takes the step that the training graph takes',
    async (rows, rate) => {
      const labels = BigInt64Array.from({ length: rows }, (_, at) => BigInt(at % 2));
      const { real, simulated } = await askBoth(
        { kind: 'memory', graph: blob(bundle.config.training!.graph), tensors: new Map() },
        linearTraining(form),
        () =>
          new Map<string, Tensor>([
            ['x', floats([rows, 2], drawn('step', 2 * rows))],
            [
              'labels',
              { type: 'int64', shape: [rows], bytes: new Uint8Array(labels.slice().buffer) },
            ],
            ['weights', floats([2, 2], drawn('weights', 4))],
            ['bias', floats([2], drawn('bias', 2))],
            ['lr', floats([], [rate])],
          ]),
      );
      expect(simulated.inputs).toEqual(real.inputs);
      expect([...simulated.names].sort()).toEqual([...real.names].sort());
      for (const name of real.names) {
        const [expected, got] = [real.answer.get(name), simulated.answer.get(name)];
        expect(got!.shape, name).toEqual(expected!.shape);
        valuesOf(got).forEach((value, at) => {
          expect(value, name).toBeCloseTo(valuesOf(expected)[at]!, 5);
        });
      }
    },
  );
});
