import { ok, type Result } from '../../../shared/core/result.ts';
import { type CatalogueFile, readPackageTree } from './catalogue.ts';
import { type ClassCount, countClasses } from './classes.ts';
import { type Part, type Split, type SplitRefusal, splitByPackage } from './split.ts';

/** The `filetype` data of one installed tree: classes, and files by part. */
export interface FiletypeDataSet {
  readonly classes: readonly ClassCount[];
  readonly labels: readonly string[];
  readonly split: Split;
  /** v1 learns from 20 % of the packages. */
  readonly learnedByV1: readonly CatalogueFile[];
  /** v2 from 60 %, those of v1 among them. */
  readonly learnedByV2: readonly CatalogueFile[];
  readonly live: readonly CatalogueFile[];
  readonly held: Readonly<Record<HeldHalf, readonly CatalogueFile[]>>;
}

/** A federated candidate is gated on one half of the held-out packages; accuracy is stated on the other. */
export type HeldHalf = 'gate' | 'state';

/** Reads and splits the tree. The devices of a demo each hold at least 20 live files. */
export function readFiletypeDataSet(
  nodeModules: string,
  options: { readonly liveFilesMin: number },
): Result<FiletypeDataSet, SplitRefusal> {
  const files = readPackageTree(nodeModules);
  const classes = countClasses(files);
  const labels = classes.map((count) => count.label);
  const split = splitByPackage(files, { labels, liveFilesMin: options.liveFilesMin });
  if (!split.ok) return split;
  const { first, second, live, held } = split.value.files;
  return ok({
    classes,
    labels,
    split: split.value,
    learnedByV1: first,
    learnedByV2: [...first, ...second],
    live,
    held: halveByPackage(held, labels),
  });
}

/**
 * Large packages first, each to the half that brings the classes of both closer together (sum of squared differences,
 * each as a share of its class): what is measured on one half should hold on the other.
 */
function halveByPackage(
  files: readonly CatalogueFile[],
  labels: readonly string[],
): Readonly<Record<HeldHalf, readonly CatalogueFile[]>> {
  const groups = new Map<string, CatalogueFile[]>();
  for (const file of files) {
    const group = groups.get(file.package);
    if (group === undefined) groups.set(file.package, [file]);
    else group.push(file);
  }
  const sorted = [...groups].sort(
    ([nameA, a], [nameB, b]) => b.length - a.length || (nameA < nameB ? -1 : 1),
  );
  const totals = countsOf(files, labels);
  /** Files of each class that `gate` has more than `state`. */
  const lead = labels.map(() => 0);
  const spread = (counts: readonly number[], sign: number): number =>
    counts.reduce((sum, count, at) => {
      const share = ((lead[at] ?? 0) + sign * count) / Math.max(1, totals[at] ?? 0);
      return sum + share * share;
    }, 0);
  const halves: Record<HeldHalf, CatalogueFile[]> = { gate: [], state: [] };
  for (const [, group] of sorted) {
    const counts = countsOf(group, labels);
    const sign = spread(counts, 1) <= spread(counts, -1) ? 1 : -1;
    counts.forEach((count, at) => {
      lead[at] = (lead[at] ?? 0) + sign * count;
    });
    halves[sign === 1 ? 'gate' : 'state'].push(...group);
  }
  return halves;
}

const countsOf = (files: readonly CatalogueFile[], labels: readonly string[]): readonly number[] =>
  labels.map((label) => files.filter((file) => file.label === label).length);

/** Rows of the table of counts that people read: class, files, packages, and files in each part. */
export function countsTable(
  dataSet: FiletypeDataSet,
): readonly (ClassCount & { readonly parts: Readonly<Record<Part, number>> })[] {
  const { files } = dataSet.split;
  const count = (part: Part, label: string): number =>
    files[part].filter((file) => file.label === label).length;
  return dataSet.classes.map((row) => ({
    ...row,
    parts: {
      first: count('first', row.label),
      second: count('second', row.label),
      live: count('live', row.label),
      held: count('held', row.label),
    },
  }));
}
