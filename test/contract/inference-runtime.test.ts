import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type {
  InferenceRuntime,
  ModelSource,
  OpenSession,
  Tensor,
} from '../../shared/ports/inference-runtime.ts';
import type { ProcessIdentity } from '../../shared/ports/process-host.ts';
import { tinyModel } from '../../shared/runtime/graph-bytes.ts';
import type { MemoryAnswer, MemoryModel } from '../../shared/runtime/memory/memory-model.ts';
import { createMemoryRuntime } from '../../shared/runtime/memory/memory-runtime.ts';
import { createOnnxRuntime } from '../../shared/runtime/onnx-runtime.ts';
import { fillModel, loopModel, reshapeModel } from '../support/onnx-graphs.ts';
import {
  floats,
  inferenceRuntimeContract,
  type ModelKind,
  type OpenOverrides,
} from './inference-runtime.ts';

const request = (
  graph: Uint8Array,
  host: OpenSession['host'],
  overrides: OpenOverrides = {},
): OpenSession => ({
  model: { kind: 'memory', graph, tensors: new Map() },
  host,
  limits: {
    loadTimeoutMs: 30_000,
    runTimeoutMs: 30_000,
    memoryBytesMax: 2_147_483_648,
    queueMax: 16,
    ...overrides.limits,
  },
  options: { provider: overrides.provider ?? 'cpu', threads: 2, graphOptimization: 'all' },
});

const graphs = (hangIterations: bigint): Readonly<Record<ModelKind, Uint8Array>> => ({
  doubles: tinyModel(),
  slow: loopModel(100_000n),
  fails: reshapeModel(7n),
  hangs: loopModel(hangIterations),
  fills: fillModel(),
  garbage: Uint8Array.of(1, 2, 3),
});

// A worker that hangs for ever would take this test process with it; some seconds show the same.
const finite = graphs(4_000_000n);
const worker = createOnnxRuntime();
inferenceRuntimeContract('worker', {
  open: (kind, overrides) => worker.open(request(finite[kind], 'worker', overrides)),
  probe: () => worker.probe(),
});

const endless = graphs(4_611_686_018_427_387_904n);
const trials: ProcessIdentity[] = [];
const processes = createOnnxRuntime({
  observer: { started: (trial) => trials.push(trial), ended: () => undefined },
});
inferenceRuntimeContract('process', {
  open: (kind, overrides) => processes.open(request(endless[kind], 'process', overrides)),
  probe: () => processes.probe(),
  isolation: {
    crash: (session) => {
      const answer = session.run(new Map([['x', floats(1)]]));
      process.kill(trials.at(-1)?.pid ?? 0, 'SIGSEGV');
      return answer;
    },
  },
});

/** Time passes exactly when somebody sleeps. */
function createSleepClock(): Clock {
  let atMs = 0;
  return {
    nowMs: () => atMs,
    monotonicMs: () => atMs,
    sleepUntil: async (deadlineMs) => {
      // Several turns of microtasks, as other virtual work would take.
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
      atMs = Math.max(atMs, deadlineMs);
    },
  };
}

let isCrashAsked = false;

const behaviours: Readonly<
  Record<ModelKind, ((values: Float32Array) => MemoryAnswer) | undefined>
> = {
  doubles: (values) => outputs(values.map((value) => 2 * value)),
  slow: (values) => ({ ...outputs(values), runMs: 300 }),
  fails: (values) =>
    values.length === 7 ? outputs(values) : { kind: 'throws', message: 'not seven' },
  hangs: () => (isCrashAsked ? { kind: 'crashes' } : { kind: 'hangs' }),
  fills: (values) => outputs(values),
  garbage: undefined,
};

const outputs = (values: Float32Array): MemoryAnswer & { kind: 'outputs' } => ({
  kind: 'outputs',
  outputs: new Map([['y', floats(...values)]]),
});

function memoryRuntime(kind: ModelKind): InferenceRuntime {
  return createMemoryRuntime({
    clock: createSleepClock(),
    providers: ['cpu'],
    modelOf: async (_source: ModelSource): Promise<MemoryModel | undefined> => {
      const behave = behaviours[kind];
      if (behave === undefined) return undefined;
      return {
        inputs: [{ name: 'x', type: 'float32', shape: ['n'] }],
        outputs: ['y'],
        loadMs: 2,
        residentBytes: 100 * 1_048_576,
        // Leaks on each run of the filling model: the second run passes the limit of the suite.
        ...(kind === 'fills' ? { leakBytes: 200 * 1_048_576 } : {}),
        answer: (inputs: ReadonlyMap<string, Tensor>) => {
          const bytes = inputs.get('x')?.bytes.slice();
          return behave(new Float32Array(bytes?.buffer ?? new ArrayBuffer(0)));
        },
      };
    },
  });
}

inferenceRuntimeContract('memory', {
  open: (kind, overrides) =>
    memoryRuntime(kind).open(request(new Uint8Array(), 'process', overrides)),
  probe: () => memoryRuntime('doubles').probe(),
  isolation: {
    crash: async (session) => {
      isCrashAsked = true;
      try {
        return await session.run(new Map([['x', floats(1)]]));
      } catch (error) {
        throw error instanceof OperatingError ? error : new Error('no operating error');
      } finally {
        isCrashAsked = false;
      }
    },
  },
});
