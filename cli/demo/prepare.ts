import type { Accuracy } from '../../firmware-bundles/evaluate/classifier-answers.ts';
import type { CatalogueFile } from '../../firmware-bundles/zoo/filetype/catalogue.ts';
import {
  type HeldHalf,
  readFiletypeDataSet,
} from '../../firmware-bundles/zoo/filetype/data-set.ts';
import { dealToDevices } from '../../firmware-bundles/zoo/filetype/device-deal.ts';
import { evaluateFiletype } from '../../firmware-bundles/zoo/filetype/release.ts';
import {
  buildFiletypeReleases,
  type FiletypeReleases,
} from '../../firmware-bundles/zoo/filetype/release-train.ts';

/** A file below the folder of the packages, and what the model should say about it. */
export interface LabelledPath {
  readonly path: string;
  readonly label: string;
}

/** What each device holds. */
export type Deal = readonly (readonly LabelledPath[])[];

/** What is made of the installed packages. */
export interface Prepared {
  readonly labels: readonly string[];
  readonly held: Readonly<Record<HeldHalf, readonly CatalogueFile[]>>;
  readonly releases: FiletypeReleases;
  /** On held-out packages, with their Wilson intervals. */
  readonly accuracy: { readonly v1: Accuracy; readonly v2: Accuracy };
  /** Mean confidence on the files of the devices: a wrong model that is less sure would be easy to find. */
  readonly confidence: { readonly v2: number; readonly wrong: number };
}

export interface PrepareOptions {
  readonly nodeModules: string;
  readonly devices: number;
  readonly nowMs: number;
}

const filesOfDevice = 20;

/**
 * Reads the installed packages, deals the devices' share, then fits, packs and measures every release. Throws when the
 * tree is too small.
 */
export async function prepare(
  { nodeModules, devices, nowMs }: PrepareOptions,
  dealt: (deal: Deal) => void,
): Promise<Prepared> {
  const liveFilesMin = Math.max(200, devices) * filesOfDevice;
  const read = readFiletypeDataSet(nodeModules, { liveFilesMin });
  if (!read.ok) throw new Error(`${read.error.code}: ${read.error.message}`);
  const { labels, held, live } = read.value;
  const deal = dealToDevices(live, { devices, filesMin: filesOfDevice });
  dealt(deal.map((files) => files.map(({ path, label }) => ({ path, label }))));
  const releases = await buildFiletypeReleases(read.value, nowMs);
  const { v1, v2, bad } = releases;
  const wrong = bad.get('wrong')?.release ?? v2;
  const on = (files: readonly CatalogueFile[]) => (model: typeof wrong.model) =>
    evaluateFiletype(model, files, labels);
  const onHeld = on(held.state);
  const onLive = on(live);
  return {
    ...{ labels, held, releases },
    accuracy: { v1: await onHeld(v1.model), v2: await onHeld(v2.model) },
    confidence: {
      v2: (await onLive(v2.model)).confidenceMean,
      wrong: (await onLive(wrong.model)).confidenceMean,
    },
  };
}
