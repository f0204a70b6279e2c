import { beforeAll, describe, expect, it } from 'vitest';
import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import {
  type FiletypeDataSet,
  readFiletypeDataSet,
} from '../../../firmware-bundles/zoo/filetype/data-set.ts';
import { evaluateFiletype } from '../../../firmware-bundles/zoo/filetype/release.ts';
import {
  badKinds,
  buildFiletypeReleases,
  type FiletypeReleases,
} from '../../../firmware-bundles/zoo/filetype/release-train.ts';
import { decodeBundle, decodeGolden } from '../../../shared/codec/bundle.ts';
import { guardOnnx } from '../../../shared/codec/onnx-guard.ts';
import { digestOf } from '../../../shared/trust/hash.ts';

let data: FiletypeDataSet;
let releases: FiletypeReleases;
beforeAll(async () => {
  const read = readFiletypeDataSet('node_modules', { liveFilesMin: 4000 });
  if (!read.ok) throw new Error(read.error.message);
  data = read.value;
  releases = await buildFiletypeReleases(data, 1_700_000_000_000);
}, 60_000);

const everyBundle = (): readonly PackedBundle[] => [
  releases.packedV1,
  releases.packedV2,
  ...[...releases.bad.values()].map(({ packed }) => packed),
];

describe('every filetype bundle', () => {
  it('is read back whole, with every blob under its digest and every graph past the guard', () => {
    for (const { manifest, config, blobs } of everyBundle()) {
      const read = [...blobs.values()].map((bytes) => decodeBundle(manifest, bytes));
      expect(read.flatMap((bundle) => (bundle.ok ? [bundle.value.config] : []))).toEqual([config]);
      for (const [digest, bytes] of blobs) expect(digestOf(bytes)).toBe(digest);
      expect(decodeGolden(blobs.get(config.golden.blob)!).ok).toBe(true);
      for (const { graph, tensors } of config.variants) {
        const sizes = new Map(
          tensors.map(({ location, digest }) => [location, blobs.get(digest)!.length]),
        );
        expect(guardOnnx(blobs.get(graph)!, { blobs: sizes }).ok).toBe(true);
      }
    }
  });

  it('carries measured evidence and the probation of the demo', () => {
    for (const { config } of everyBundle()) {
      const [variant] = config.variants;
      expect(variant!.evidence.agreement).toBeGreaterThan(0.9);
      expect(variant!.evidence.latencyP50Ms).toBeGreaterThan(0);
      expect(config.probation).toEqual({ inferences: 50, durationMs: 2_000 });
      expect(config.profile.monitored.length).toBeLessThanOrEqual(64);
    }
  });

  it('is named by another digest than every other', () => {
    const digests = everyBundle().map(({ digest }) => digest);
    expect(digests.length).toBe(2 + badKinds.length);
    expect(new Set(digests).size).toBe(digests.length);
  });
});

describe('a release that was run on held-out files', () => {
  it('says its accuracy there, and one that was not claims none', () => {
    const stated = [releases.packedV1, releases.packedV2, releases.bad.get('wrong')!.packed];
    for (const { config } of stated)
      expect(config.variants[0]!.evidence.accuracy!.n).toBeGreaterThan(300);
    const crash = releases.bad.get('crash')!.packed;
    expect(crash.config.variants[0]!.evidence.accuracy).toBeUndefined();
  });
});

describe('v2', () => {
  it('carries a training graph past the guard, with start values of the declared shapes', () => {
    const { config, blobs } = releases.packedV2;
    const training = config.training!;
    expect(guardOnnx(blobs.get(training.graph)!, { blobs: new Map() }).ok).toBe(true);
    for (const { shape, blob, distanceMax } of training.parameters) {
      expect(blobs.get(blob)!.length).toBe(4 * shape.reduce((a, b) => a * b, 1));
      expect(distanceMax).toBeGreaterThan(0);
    }
  });

  it('shares its weights with each bad release, so a device fetches only what is new', () => {
    const weights = (bundle: PackedBundle) =>
      bundle.config.variants[0]!.tensors.find(({ location }) => location === 'weights')!.digest;
    for (const { packed } of releases.bad.values()) {
      expect(weights(packed)).toBe(weights(releases.packedV2));
    }
  });
});

describe('tampered and unsigned', () => {
  it('are sound as built: about as accurate as v2', async () => {
    for (const kind of ['tampered', 'unsigned'] as const) {
      const { release } = releases.bad.get(kind)!;
      const accuracy = await evaluateFiletype(release.model, data.held.state, data.labels);
      expect(accuracy.estimate).toBeGreaterThan(0.9);
    }
  });
});
