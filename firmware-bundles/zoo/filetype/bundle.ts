import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import type { AppName, Digest } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { readModel } from '../../onnx/model-reader.ts';
import { float32Of } from '../../onnx/tensor.ts';
import { weightPrecisionOf } from '../../onnx/weight-precision.ts';
import { type PackedBundle, packBundle } from '../../pack/pack-bundle.ts';
import type { CatalogueFile } from './catalogue.ts';
import { type Evidence, measureEvidence } from './evidence.ts';
import { filetypeFeatureCount, filetypeFeatures } from './features.ts';
import { filetypeTensors } from './graph.ts';
import { type FiletypeRelease, filetypeGoldenTolerance } from './release.ts';
import { filetypeTraining } from './training-graph.ts';

/** Name of the app on devices, and of the bundle in the registry. */
export const filetypeName = 'filetype' as AppName;

/** `federable`: carries the training graph, so that a round may start from it. */
export interface FiletypeBundleOptions {
  readonly version: string;
  readonly release: FiletypeRelease;
  readonly parent?: Digest;
  readonly isFederable: boolean;
  readonly createdAtMs: number;
  /** What the accuracy of the evidence is stated on. */
  readonly held: readonly CatalogueFile[];
}

const mebibyte = 1024 * 1024;
/** A Node process with the runtime and this model has about 110 MiB; a hoarding graph passes this within a second. */
const memoryBytesMax = 384 * mebibyte;

/** The recipe of `filetype`: one int8 variant, golden vectors, profile, guards, and evidence measured here and now. */
export async function packFiletype(options: FiletypeBundleOptions): Promise<PackedBundle> {
  const { version, release, parent, isFederable, createdAtMs, held } = options;
  const evidence = await measureEvidence(release, held);
  return packBundle({
    name: filetypeName,
    version,
    ...(parent === undefined ? {} : { parent }),
    ...signaturesOf(release.labels),
    variants: [variantOf(release, evidence)],
    golden: {
      vectors: release.golden,
      tolerance: [{ provider: 'cpu', absolute: filetypeGoldenTolerance }],
    },
    profile: release.profile,
    ...policy,
    ...(isFederable ? { training: trainingOf(release) } : {}),
    lineage: {
      createdAtMs,
      parameters: { prefixBytes: filetypeFeatures.prefixBytes, classes: release.labels.length },
    },
  });
}

/** Short, because the model answers within a millisecond; an hour of probation would only delay the verdict. */
const policy = {
  probation: { inferences: 50, durationMs: 2_000 },
  limits: { memoryBytesMax, loadTimeoutMs: 15_000, runTimeoutMs: 5_000 },
  guards: { errorShareMax: 0.05, latencyP95MsMax: 25, confidenceMin: 0.5, inferencesMin: 30 },
  stale: { maxDays: 365, then: 'keep' },
  minAgent: '0.1.0',
} as const satisfies Partial<BundleConfig>;

const signaturesOf = (labels: readonly string[]) => ({
  inputs: [
    {
      name: filetypeTensors.input,
      type: 'uint8' as const,
      shape: ['batch', filetypeFeatureCount],
      meaning: 'counts of bytes and hashed byte pairs of the first bytes of a file',
    },
  ],
  outputs: [
    {
      name: filetypeTensors.output,
      type: 'float32' as const,
      shape: ['batch', labels.length],
      meaning: 'probability of each file type',
    },
  ],
  preprocessing: { kind: 'byte-bigram-counts/1' as const, ...filetypeFeatures },
  postprocessing: {
    kind: 'classify' as const,
    output: filetypeTensors.output,
    labels: [...labels],
  },
});

function variantOf({ model }: FiletypeRelease, evidence: Evidence) {
  const read = readModel(model.graph);
  const precision = read.ok ? weightPrecisionOf(read.value) : undefined;
  return {
    id: 'int8',
    model,
    constraints: { provider: 'cpu' as const, cpuFeatures: [], memoryBytesMax },
    ...(precision === undefined ? {} : { precision }),
    session: { threads: 1, graphOptimization: 'all' as const },
    evidence,
  };
}

/** One device moves the weights by at most the norm; a candidate may end half a parent's length away. */
const clipNorm = 4;
const distanceShareMax = 0.5;

function trainingOf(release: FiletypeRelease) {
  const { graph, parameters } = filetypeTraining(release.classifier);
  return {
    graph,
    parameters: parameters.map((parameter) => ({
      ...parameter,
      distanceMax: Math.max(1, distanceShareMax * normOf(parameter)),
    })),
    clipNorm,
    floors: { devices: 5, samples: 20, epochsMax: 10 },
  };
}

function normOf({ name, shape, initial }: ReturnType<typeof filetypeTraining>['parameters'][0]) {
  const values = float32Of({ type: 'float32', shape, bytes: initial });
  const norm = Math.hypot(...values);
  invariant(Number.isFinite(norm), `${name} has finite start values`);
  return norm;
}
