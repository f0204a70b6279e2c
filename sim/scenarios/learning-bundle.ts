import { writeHeldOutSet } from '../../firmware-bundles/evaluate/held-out-set.ts';
import { externalize } from '../../firmware-bundles/onnx/external-data.ts';
import { GraphBuilder } from '../../firmware-bundles/onnx/graph-builder.ts';
import { writeModel } from '../../firmware-bundles/onnx/model-writer.ts';
import { bytesOfArray, tensorOf } from '../../firmware-bundles/onnx/tensor.ts';
import { type PackedBundle, packBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { linearTrainingGraph } from '../../firmware-bundles/train/linear-training-graph.ts';
import { base64Of } from '../../shared/core/bytes.ts';
import { createPrng } from '../../shared/core/prng.ts';
import type { Tensor } from '../../shared/ports/inference-runtime.ts';
import { type LinearForm, type LinearParameters, linearClassifier } from '../world/linear-model.ts';
import { smokeApp } from './smoke-bundles.ts';

const labels = ['calm', 'wild'] as const;

/** The parent leans on the first number and hardly looks at the second: there is something to learn. */
export const parentParameters: LinearParameters = {
  weights: Float32Array.of(0.4, -0.4, 0.1, -0.1),
  bias: Float32Array.of(0, 0),
};

export const learningForm: LinearForm = {
  ...{ features: 2, classes: labels.length, input: 'x', output: 'y' },
  ...{ weights: 'weights', bias: 'bias', runMs: 2, residentBytes: 1_000 },
};

/** L2 that an update may have, as the offline keys sign it: an honest device goes further and has to clip. */
const clipNorm = 1;
/** L2 that a tensor of a candidate may be away from the parent's. */
const distanceMax = 4;

/** A real federable bundle: its graphs run in the real runtime as they do in the twin. */
export function learningBundle(version = '1.0.0'): PackedBundle {
  const { input, output, features, classes, weights, bias } = learningForm;
  const parameters = [
    { name: weights, shape: [features, classes], values: parentParameters.weights },
    { name: bias, shape: [classes], values: parentParameters.bias },
  ];
  const signature = { type: 'float32' as const, shape: ['batch', 2] };
  return packBundle({
    name: smokeApp,
    version,
    inputs: [{ name: input, ...signature, meaning: 'two numbers' }],
    outputs: [{ name: output, ...signature, meaning: 'per class' }],
    preprocessing: { kind: 'none' },
    postprocessing: { kind: 'classify', output, labels: [...labels] },
    variants: [
      {
        id: 'fp32',
        model: externalize(classifierGraph(), { replaceable: new Set([weights, bias]) }),
        constraints: { provider: 'cpu', cpuFeatures: [], memoryBytesMax: 1 << 28 },
        session: { threads: 1, graphOptimization: 'all' },
        evidence: {
          ...{ agreement: 1, bytes: 100, latencyP50Ms: 1 },
          ...{ machineClass: 'virtual', runtime: 'memory' },
        },
      },
    ],
    // Wide enough for a candidate that has learnt something.
    golden: { vectors: goldenVectors(), tolerance: [{ provider: 'cpu', absolute: 0.5 }] },
    profile: { n: 0, monitored: [] },
    training: {
      graph: trainingGraph(),
      parameters: parameters.map(({ name, shape, values }) => ({
        ...{ name, shape, distanceMax, initial: bytesOfArray(values) },
      })),
      clipNorm,
      floors: { devices: 4, samples: 20, epochsMax: 8 },
    },
    probation: { inferences: 20, durationMs: 2_000 },
    limits: { memoryBytesMax: 1 << 28, loadTimeoutMs: 10_000, runTimeoutMs: 10_000 },
    guards: { errorShareMax: 0.2, latencyP95MsMax: 500, confidenceMin: 0.5, inferencesMin: 10 },
    stale: { maxDays: 400, then: 'keep' },
    minAgent: '0.1.0',
    lineage: { createdAtMs: 0 },
  });
}

function classifierGraph() {
  const { input, output, features, classes, weights, bias } = learningForm;
  const builder = new GraphBuilder('smoke');
  const x = builder.input(input, { type: 'float32', shape: ['batch', features] });
  const w = builder.initializer(
    weights,
    tensorOf('float32', [features, classes], parentParameters.weights),
  );
  const b = builder.initializer(bias, tensorOf('float32', [classes], parentParameters.bias));
  const logits = builder.node('Add', [builder.node('MatMul', [x, w]), b]);
  builder.node('Softmax', [logits], { outputs: [output], attributes: { axis: { int: 1 } } });
  builder.output(output, { type: 'float32', shape: ['batch', classes] });
  return builder.model();
}

function trainingGraph(): Uint8Array {
  const { input, features, classes, weights, bias } = learningForm;
  const model = linearTrainingGraph({
    ...{ name: 'smoke-training', features, classes, weights, bias },
    input: { name: input, type: 'float32' },
    addFeatures: (_builder, given) => given,
  });
  return writeModel(model);
}

function goldenVectors() {
  const { input, output } = learningForm;
  const x = floats([0.5, -0.5]);
  const answer = linearClassifier(learningForm, parentParameters).answer(new Map([[input, x]]), 0);
  const y = answer.kind === 'outputs' ? answer.outputs.get(output) : undefined;
  const vector = (name: string, tensor: Tensor = x) => ({
    ...{ name, type: tensor.type, shape: [...tensor.shape], base64: base64Of(tensor.bytes) },
  });
  return { vectors: [{ inputs: [vector(input)], outputs: [vector(output, y)] }] };
}

export interface LabelledInput {
  readonly tensor: Tensor;
  readonly label: (typeof labels)[number];
}

/** Two numbers in [-1, 1): `calm` where the first is the larger one. */
export function drawInputs(seed: string, count: number): readonly LabelledInput[] {
  const prng = createPrng(`inputs/${seed}`);
  return Array.from({ length: count }, () => {
    const [a, b] = [2 * prng.nextUnit() - 1, 2 * prng.nextUnit() - 1];
    return { tensor: floats([a, b]), label: a > b ? 'calm' : 'wild' };
  });
}

/** `contrary` has every label wrong: whoever learns from the right ones gets worse on it. */
export function heldOutBytes(kind: 'right' | 'contrary'): Uint8Array {
  const inputs = drawInputs('held-out', 100);
  const shift = kind === 'right' ? 0 : 1;
  return writeHeldOutSet({
    rows: inputs.map(({ tensor }) => tensor.bytes),
    labels: inputs.map(({ label }) => (labels.indexOf(label) + shift) % labels.length),
  });
}

const floats = (values: readonly number[]): Tensor => ({
  ...{ type: 'float32', shape: [1, values.length] },
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});
