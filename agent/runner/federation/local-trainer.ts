import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import type { TrainingTask } from '../../../shared/contracts/federation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import type {
  InferenceRuntime,
  InferenceSession,
  Tensor,
} from '../../../shared/ports/inference-runtime.ts';
import type { Example } from '../../core/federation/example-sample.ts';
import { batchesOf, batchTensors } from '../../core/federation/training-batches.ts';

export interface TrainingJob {
  readonly config: BundleConfig;
  readonly task: TrainingTask;
  /** The bundle's training graph, verified and guarded. */
  readonly graph: Uint8Array;
  /** Start values in declared order. */
  readonly start: readonly Float32Array[];
  readonly examples: readonly Example[];
  /** Names the order of the passes. */
  readonly seed: string;
  /** Ends the training after the step that is under way, with `training-interrupted`. */
  readonly signal?: AbortSignal;
}

export interface TrainedParameters {
  readonly tensors: readonly Float32Array[];
  /** Mean loss over all examples, with the start values and with the trained ones. */
  readonly lossBefore: number;
  readonly lossAfter: number;
}

/**
 * Trains with the bundle's own graph in a disposable process with one thread: the answering model keeps its
 * worker, and a training that hangs or eats memory is killed like any trial. Throws what the session throws.
 */
export async function trainLocally(
  runtime: InferenceRuntime,
  job: TrainingJob,
): Promise<TrainedParameters> {
  const { runTimeoutMs } = job.config.limits;
  const session = await runtime.open({
    model: { kind: 'memory', graph: job.graph, tensors: new Map() },
    host: 'process',
    limits: {
      loadTimeoutMs: job.config.limits.loadTimeoutMs,
      runTimeoutMs: Math.max(runTimeoutMs, limits.trainingStepTimeoutMs),
      memoryBytesMax: limits.trainingMemoryBytesMax,
      queueMax: 1,
    },
    options: { provider: 'cpu', threads: 1, graphOptimization: 'basic' },
  });
  try {
    const lossBefore = (await pass(session, job, { parameters: job.start, rate: 0, seed: 'all' }))
      .loss;
    let parameters = job.start;
    for (let epoch = 0; epoch < job.task.epochs; epoch += 1) {
      const seed = `${job.seed}/${epoch}`;
      const rate = job.task.learningRate;
      ({ parameters } = await pass(session, job, { parameters, rate, seed }));
    }
    const { loss: lossAfter } = await pass(session, job, { parameters, rate: 0, seed: 'all' });
    return { tensors: parameters, lossBefore, lossAfter };
  } finally {
    await session.close();
  }
}

interface Pass {
  readonly parameters: readonly Float32Array[];
  readonly rate: number;
  readonly seed: string;
}

/** Once over all examples; with rate 0 it only measures. The loss is the mean over examples. */
async function pass(
  session: InferenceSession,
  job: TrainingJob,
  { parameters, rate, seed }: Pass,
): Promise<{ readonly parameters: readonly Float32Array[]; readonly loss: number }> {
  let current = parameters;
  let lossSum = 0;
  for (const batch of batchesOf(job.examples, { batchRows: job.task.batchRows, seed })) {
    if (job.signal?.aborted === true) {
      throw new OperatingError('training-interrupted', 'the agent stops');
    }
    const { outputs } = await session.run(stepInputs(job, { batch, parameters: current, rate }));
    const [loss = Number.NaN] = floatsOf(outputs.get('loss'));
    lossSum += loss * batch.length;
    if (rate > 0) {
      current = declared(job.config).map(({ name }) => floatsOf(outputs.get(`next/${name}`)));
    }
  }
  return { parameters: current, loss: lossSum / job.examples.length };
}

function stepInputs(
  { config }: TrainingJob,
  step: {
    readonly batch: readonly Example[];
    readonly parameters: readonly Float32Array[];
    readonly rate: number;
  },
): ReadonlyMap<string, Tensor> {
  const [first] = config.inputs;
  invariant(first !== undefined, 'a bundle has an input');
  const itemShape = first.shape.slice(1).map(Number);
  const { rows, labels } = batchTensors(step.batch, { type: first.type, itemShape });
  const inputs = new Map<string, Tensor>([
    [first.name, rows],
    ['labels', labels],
    ['lr', { type: 'float32', shape: [], bytes: bytesOf(Float32Array.of(step.rate)) }],
  ]);
  declared(config).forEach(({ name, shape }, index) => {
    const values = step.parameters[index] ?? new Float32Array();
    inputs.set(name, { type: 'float32', shape, bytes: bytesOf(values) });
  });
  return inputs;
}

const declared = (config: BundleConfig) => config.training?.parameters ?? [];

/** A copy: buffers handed to a session are gone afterwards. */
const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.slice().buffer);

function floatsOf(tensor: Tensor | undefined): Float32Array {
  if (tensor?.type !== 'float32') {
    throw new OperatingError('answer-form-unexpected', 'the training graph lacks an output');
  }
  return new Float32Array(Uint8Array.from(tensor.bytes).buffer);
}
