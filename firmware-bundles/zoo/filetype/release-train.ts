import type { PackedBundle } from '../../pack/pack-bundle.ts';
import type { LinearClassifier } from '../../train/softmax-regression.ts';
import { crashFiletype, mislabelledGolden, slowFiletype, wrongFiletype } from './bad-releases.ts';
import { type FiletypeBundleOptions, packFiletype } from './bundle.ts';
import type { FiletypeDataSet } from './data-set.ts';
import { splitLearning } from './fit.ts';
import {
  assembleFiletypeRelease,
  buildFiletypeRelease,
  externalizeFiletype,
  type FiletypeRelease,
} from './release.ts';

/** Releases that a fleet must survive, by what is wrong with them. */
export const badKinds = ['tampered', 'unsigned', 'golden', 'crash', 'slow', 'wrong'] as const;
export type BadKind = (typeof badKinds)[number];

/** 470 million products for each answer: thirty milliseconds, where the good model takes a tenth of one. */
const slowLayers = 1792;

export interface FiletypeReleases {
  readonly v1: FiletypeRelease;
  readonly v2: FiletypeRelease;
  readonly packedV1: PackedBundle;
  readonly packedV2: PackedBundle;
  readonly bad: ReadonlyMap<
    BadKind,
    { readonly release: FiletypeRelease; readonly packed: PackedBundle }
  >;
}

/**
 * Every release of the demo, as real bundles. `tampered` and `unsigned` are sound as built: what happens to them
 * happens after.
 */
export async function buildFiletypeReleases(
  data: FiletypeDataSet,
  createdAtMs: number,
): Promise<FiletypeReleases> {
  const held = [...data.held.gate, ...data.held.state];
  const v1 = await buildFiletypeRelease(data.learnedByV1, data.labels);
  const v2 = await buildFiletypeRelease(data.learnedByV2, data.labels);
  const pack = (
    version: string,
    release: FiletypeRelease,
    more: Partial<FiletypeBundleOptions> = {},
  ) => packFiletype({ version, release, isFederable: false, createdAtMs, held, ...more });
  const packedV1 = await pack('1.0.0', v1);
  const packedV2 = await pack('2.0.0', v2, { isFederable: true });
  const bad: [BadKind, { readonly release: FiletypeRelease; readonly packed: PackedBundle }][] = [];
  for (const [at, kind] of badKinds.entries()) {
    const release = await badRelease(kind, v2, data);
    // Whoever publishes a graph that hoards on live input, or takes an age, has only ever run it on its golden ones.
    const isTried = kind !== 'crash' && kind !== 'slow';
    const packed = await pack(`2.${at + 1}.0`, release, isTried ? {} : { held: [] });
    bad.push([kind, { release, packed }]);
  }
  return { v1, v2, packedV1, packedV2, bad: new Map(bad) };
}

async function badRelease(
  kind: BadKind,
  good: FiletypeRelease,
  data: FiletypeDataSet,
): Promise<FiletypeRelease> {
  const { weights, goldenRows, golden } = good;
  switch (kind) {
    case 'tampered':
      return softened(good, data, 0.97);
    case 'unsigned':
      return softened(good, data, 0.94);
    case 'golden':
      return { ...good, golden: mislabelledGolden(golden) };
    case 'crash':
      return { ...good, model: externalizeFiletype(crashFiletype(weights, goldenRows, 'memory')) };
    case 'slow':
      return { ...good, model: externalizeFiletype(slowFiletype(weights, slowLayers)) };
    case 'wrong':
      return { ...good, model: externalizeFiletype(wrongFiletype(weights, goldenRows)) };
  }
}

/** Less sure answers, and the same ones: an ordinary small release that shares its int8 weights with the parent. */
async function softened(
  { classifier }: FiletypeRelease,
  data: FiletypeDataSet,
  temperature: number,
): Promise<FiletypeRelease> {
  const scaled: LinearClassifier = {
    weights: classifier.weights.map((value) => value * temperature),
    bias: classifier.bias.map((value) => value * temperature),
  };
  const { learn, calibrate } = splitLearning(data.learnedByV2);
  return assembleFiletypeRelease({ classifier: scaled, labels: data.labels, learn, calibrate });
}
