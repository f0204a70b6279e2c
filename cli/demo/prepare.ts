import type { Accuracy } from '../../firmware-bundles/evaluate/classifier-answers.ts';
import type { CatalogueFile } from '../../firmware-bundles/zoo/filetype/catalogue.ts';
import {
  type FiletypeDataSet,
  readFiletypeDataSet,
} from '../../firmware-bundles/zoo/filetype/data-set.ts';
import { dealToDevices } from '../../firmware-bundles/zoo/filetype/device-deal.ts';
import { evaluateFiletype } from '../../firmware-bundles/zoo/filetype/release.ts';
import {
  buildFiletypeReleases,
  type FiletypeReleases,
} from '../../firmware-bundles/zoo/filetype/release-train.ts';

/** What is made before the first device starts. */
export interface Prepared {
  readonly data: FiletypeDataSet;
  readonly releases: FiletypeReleases;
  readonly deal: readonly (readonly CatalogueFile[])[];
  /** On held-out packages, with their Wilson intervals. */
  readonly accuracy: { readonly v1: Accuracy; readonly v2: Accuracy };
  /** Mean confidence on the files of the devices: a wrong model that is less sure would be easy to find. */
  readonly confidence: { readonly v2: number; readonly wrong: number };
}

const filesOfDevice = 20;

/** Reads the installed packages, fits and packs every release, and measures them. Throws when the tree is too small. */
export async function prepare(
  nodeModules: string,
  options: { readonly devices: number; readonly nowMs: number },
): Promise<Prepared> {
  const liveFilesMin = Math.max(200, options.devices) * filesOfDevice;
  const read = readFiletypeDataSet(nodeModules, { liveFilesMin });
  if (!read.ok) throw new Error(`${read.error.code}: ${read.error.message}`);
  const data = read.value;
  const releases = await buildFiletypeReleases(data, options.nowMs);
  const wrong = releases.bad.get('wrong')?.release ?? releases.v2;
  const on = (files: readonly CatalogueFile[]) => (model: typeof wrong.model) =>
    evaluateFiletype(model, files, data.labels);
  const onHeld = on(data.held.state);
  const onLive = on(data.live);
  return {
    data,
    releases,
    deal: dealToDevices(data.live, { devices: options.devices, filesMin: filesOfDevice }),
    accuracy: { v1: await onHeld(releases.v1.model), v2: await onHeld(releases.v2.model) },
    confidence: {
      v2: (await onLive(releases.v2.model)).confidenceMean,
      wrong: (await onLive(wrong.model)).confidenceMean,
    },
  };
}
