import {
  type BundleRecipe,
  type PackedBundle,
  packBundle,
} from '../../firmware-bundles/pack/pack-bundle.ts';
import { base64Of } from '../../shared/core/bytes.ts';
import type { AppName } from '../../shared/core/ids.ts';
import type { Tensor } from '../../shared/ports/inference-runtime.ts';
import { tinyModel } from '../../shared/runtime/graph-bytes.ts';
import type { MemoryModel } from '../../shared/runtime/memory/memory-model.ts';
import { memoryRuntimeVersion } from '../../shared/runtime/memory/memory-runtime.ts';

/** How a simulated model behaves after it has passed its golden vectors. */
export interface SmokeBehaviour {
  readonly version: string;
  /** Runs of one session before it begins to throw; never when absent. */
  readonly sourAfterRuns?: number;
  /** What its bundle says of old metadata and of a default answer; 400 days and none when absent. */
  readonly terms?: Pick<BundleRecipe, 'stale' | 'defaultAnswer'>;
}

export const smokeApp = 'smoke' as AppName;

const floats = (values: readonly number[]): Tensor => ({
  type: 'float32',
  shape: [1, values.length],
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

export const smokeInput = floats([1, 2]);
const smokeOutput = floats([0.875, 0.125]);

/** A real bundle around a tiny real graph; what it computes is the behaviour's business. */
export function smokeBundle({ version, sourAfterRuns, terms }: SmokeBehaviour): PackedBundle {
  const vector = (name: string, { type, shape, bytes }: Tensor) => ({
    name,
    type,
    shape: [...shape],
    base64: base64Of(bytes),
  });
  const signature = { type: 'float32' as const, shape: ['batch', 2], meaning: 'two numbers' };
  return packBundle({
    name: smokeApp,
    version,
    inputs: [{ name: 'x', ...signature }],
    outputs: [{ name: 'y', ...signature }],
    preprocessing: { kind: 'none' },
    postprocessing: { kind: 'classify', output: 'y', labels: ['calm', 'wild'] },
    variants: [
      {
        id: 'fp32',
        model: { graph: tinyModel(), tensors: new Map() },
        constraints: {
          ...{ provider: 'cpu' as const, cpuFeatures: [], memoryBytesMax: 1_000_000 },
          runtime: { min: '1.0.0', max: memoryRuntimeVersion },
        },
        session: { threads: 1, graphOptimization: 'all' },
        evidence: {
          agreement: 1,
          bytes: 100,
          latencyP50Ms: 1,
          machineClass: 'virtual',
          runtime: 'memory',
        },
      },
    ],
    golden: {
      vectors: {
        vectors: [{ inputs: [vector('x', smokeInput)], outputs: [vector('y', smokeOutput)] }],
      },
      tolerance: [{ provider: 'cpu', absolute: 0.001 }],
    },
    profile: { n: 0, monitored: [] },
    probation: { inferences: 20, durationMs: 2_000 },
    limits: { memoryBytesMax: 1_000_000, loadTimeoutMs: 1_000, runTimeoutMs: 1_000 },
    guards: { errorShareMax: 0.2, latencyP95MsMax: 500, confidenceMin: 0.5, inferencesMin: 10 },
    stale: { maxDays: 400, then: 'keep' },
    ...terms,
    minAgent: '0.1.0',
    lineage: { createdAtMs: 0, parameters: { sourAfterRuns: sourAfterRuns ?? -1 } },
  });
}

export function smokeModel({ sourAfterRuns }: SmokeBehaviour): MemoryModel {
  return {
    inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
    outputs: ['y'],
    residentBytes: 1_000,
    answer: (_inputs, run) =>
      sourAfterRuns !== undefined && run >= sourAfterRuns
        ? { kind: 'throws', message: 'sour' }
        : { kind: 'outputs', outputs: new Map([['y', smokeOutput]]), runMs: 2 },
  };
}
