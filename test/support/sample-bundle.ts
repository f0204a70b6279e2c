import { type PackedBundle, packBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import type { WeightPrecision } from '../../shared/contracts/bundle-config.ts';
import { base64Of } from '../../shared/core/bytes.ts';
import type { AppName, Digest } from '../../shared/core/ids.ts';
import { externalModel } from './onnx-graphs.ts';

export interface SampleOptions {
  readonly version?: string;
  /** Content of the weights; another number is another tensor. */
  readonly fill?: number;
  /** Another graph, for bundles that must be refused. */
  readonly graph?: Uint8Array;
  readonly elements?: number;
  readonly parent?: Digest;
  readonly provider?: 'cpu' | 'webgpu';
  readonly minAgent?: string;
  /** What the weights are said to be stored as; they are float32. */
  readonly precision?: WeightPrecision;
  readonly runtime?: { readonly min?: string; readonly max?: string };
}

/** A whole small bundle: `y = x + w` with `w` as an external tensor. */
export function sampleBundle(options: SampleOptions = {}): PackedBundle {
  const { version = '1.0.0', fill = 1, elements = 2048, provider = 'cpu' } = options;
  const weights = new Uint8Array(new Float32Array(elements).fill(fill).buffer);
  const graph = options.graph ?? externalModel('w', elements);
  const zeros = {
    type: 'float32' as const,
    shape: [elements],
    base64: base64Of(new Uint8Array(4 * elements)),
  };
  const tensor = (name: string) => ({
    name,
    type: 'float32' as const,
    shape: [elements],
    meaning: 'numbers',
  });
  return packBundle({
    name: 'adder' as AppName,
    version,
    inputs: [tensor('x')],
    outputs: [tensor('y')],
    preprocessing: { kind: 'none' },
    postprocessing: { kind: 'none' },
    variants: [
      {
        id: 'fp32',
        model: { graph, tensors: new Map([['w', weights]]) },
        constraints: {
          ...{ provider, cpuFeatures: [], memoryBytesMax: 64 * 1024 * 1024 },
          ...(options.runtime === undefined ? {} : { runtime: options.runtime }),
        },
        ...(options.precision === undefined ? {} : { precision: options.precision }),
        session: { threads: 1, graphOptimization: 'all' },
        evidence: {
          agreement: 1,
          bytes: weights.length,
          latencyP50Ms: 1,
          machineClass: 'test',
          runtime: 'none',
        },
      },
    ],
    golden: {
      vectors: {
        vectors: [{ inputs: [{ name: 'x', ...zeros }], outputs: [{ name: 'y', ...zeros }] }],
      },
      tolerance: [{ provider: 'cpu', absolute: 0.001 }],
    },
    profile: { n: 0, monitored: [] },
    probation: { inferences: 10, durationMs: 1000 },
    limits: { memoryBytesMax: 64 * 1024 * 1024, loadTimeoutMs: 10_000, runTimeoutMs: 1000 },
    guards: { errorShareMax: 0.1, latencyP95MsMax: 100, confidenceMin: 0, inferencesMin: 20 },
    stale: { maxDays: 365, then: 'keep' },
    minAgent: options.minAgent ?? '0.1.0',
    ...(options.parent === undefined ? {} : { parent: options.parent }),
    lineage: { createdAtMs: 0 },
  });
}
