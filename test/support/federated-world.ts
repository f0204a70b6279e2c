import { writeHeldOutSet } from '../../firmware-bundles/evaluate/held-out-set.ts';
import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { packBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import type { CatalogueFile } from '../../firmware-bundles/zoo/filetype/catalogue.ts';
import {
  filetypeCounts,
  filetypeFeatureCount,
} from '../../firmware-bundles/zoo/filetype/features.ts';
import { fitFiletype } from '../../firmware-bundles/zoo/filetype/fit.ts';
import { assembleFiletypeRelease } from '../../firmware-bundles/zoo/filetype/release.ts';
import { filetypeTraining } from '../../firmware-bundles/zoo/filetype/training-graph.ts';
import type { BlobStore } from '../../fleet-server/ports/blob-store.ts';
import type { AppName } from '../../shared/core/ids.ts';
import { createPrng } from '../../shared/core/prng.ts';

/** Four made-up file types: each draws its bytes from an alphabet of its own, with noise that they share. */
export const syntheticLabels = ['aa', 'bb', 'cc', 'dd'] as const;
export const federable = ['weights', 'weights_scale', 'bias'];

export function syntheticFiles(seed: string, count: number): readonly CatalogueFile[] {
  const prng = createPrng(seed);
  return Array.from({ length: count }, (_, i) => {
    const label = syntheticLabels[i % syntheticLabels.length] ?? 'aa';
    const first = 97 + 5 * syntheticLabels.indexOf(label);
    const bytes = Uint8Array.from({ length: 60 }, () =>
      prng.nextUnit() < 0.75 ? 97 + prng.nextBelow(26) : first + prng.nextBelow(8),
    );
    return {
      path: `${seed}/${i}.${label}`,
      package: `${seed}-${i}`,
      label,
      counts: filetypeCounts(bytes),
    };
  });
}

/** A small `filetype` that has seen little, packed and federable. `distanceMax` is generous unless a test says less. */
export async function packSmallParent(
  options: { readonly distanceMax?: number; readonly samples?: number } = {},
): Promise<PackedBundle> {
  const labels = [...syntheticLabels];
  const learn = syntheticFiles('learn', 16);
  const classifier = fitFiletype(learn, labels);
  const calibrate = syntheticFiles('calibrate', 80);
  const release = await assembleFiletypeRelease({ classifier, labels, learn, calibrate });
  const training = filetypeTraining(classifier);
  const shape = ['batch', filetypeFeatureCount];
  return packBundle({
    name: 'filetype' as AppName,
    version: '1.0.0',
    inputs: [{ name: 'counts', type: 'uint8', shape, meaning: 'hashed byte pairs' }],
    outputs: [
      { name: 'probabilities', type: 'float32', shape: ['batch', 4], meaning: 'per class' },
    ],
    preprocessing: { kind: 'byte-bigram-counts/1', prefixBytes: 4096, bigramBuckets: 1024 },
    postprocessing: { kind: 'classify', output: 'probabilities', labels },
    variants: [
      {
        id: 'int8',
        model: release.model,
        constraints: { provider: 'cpu', cpuFeatures: [], memoryBytesMax: 1 << 28 },
        session: { threads: 1, graphOptimization: 'all' },
        evidence: {
          agreement: 1,
          bytes: 6000,
          latencyP50Ms: 1,
          machineClass: 'test',
          runtime: 'test',
        },
      },
    ],
    golden: {
      vectors: release.golden,
      tolerance: [{ provider: 'cpu', absolute: 1 }],
    },
    profile: release.profile,
    training: {
      graph: training.graph,
      parameters: training.parameters.map((parameter) => ({
        ...parameter,
        distanceMax: options.distanceMax ?? 40,
      })),
      clipNorm: 12,
      floors: { devices: 4, samples: options.samples ?? 8, epochsMax: 10 },
    },
    probation: { inferences: 5, durationMs: 100 },
    limits: { memoryBytesMax: 1 << 28, loadTimeoutMs: 20_000, runTimeoutMs: 20_000 },
    guards: { errorShareMax: 0.1, latencyP95MsMax: 1000, confidenceMin: 0.1, inferencesMin: 20 },
    stale: { maxDays: 365, then: 'keep' },
    minAgent: '0.0.0',
    lineage: { license: 'test', createdAtMs: 0 },
  });
}

/** `shift` moves each label by so many classes: what learns from right labels gets worse on it. */
export function heldOutBytes(seed: string, count: number, shift = 0): Uint8Array {
  const files = syntheticFiles(seed, count);
  const placeOf = ({ label }: (typeof files)[number]): number =>
    syntheticLabels.findIndex((known) => known === label);
  return writeHeldOutSet({
    rows: files.map((file) => file.counts),
    labels: files.map((file) => (placeOf(file) + shift) % syntheticLabels.length),
  });
}

export async function storeBundle(blobs: BlobStore, bundle: PackedBundle): Promise<void> {
  for (const [digest, bytes] of [...bundle.blobs, [bundle.digest, bundle.manifest] as const]) {
    await blobs.put(digest, once(bytes), { bytesMax: 1 << 30 });
  }
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
