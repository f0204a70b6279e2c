import { createHash } from 'node:crypto';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { CatalogueFile } from './catalogue.ts';

/** v1 learns from `first`, v2 from `second` too; `live` is dealt to devices, `held` is seen by nobody. */
export const parts = ['first', 'second', 'live', 'held'] as const;
export type Part = (typeof parts)[number];

const shares: Readonly<Record<Part, number>> = { first: 0.2, second: 0.4, live: 0.3, held: 0.1 };
const packagesPerClassMin = 3;
/** Files of one package look alike: a large one teaches and judges with this many, or it alone would be the result. */
const filesPerPackageMax = 60;
/** A part's files of a class, as a multiple of its share of that class. */
const balance = { min: 2 / 3, max: 3 / 2 } as const;
const saltsMax = 4000;

export interface Split {
  /** Goes into the hash: the first number whose split keeps every condition. */
  readonly salt: number;
  readonly files: Readonly<Record<Part, readonly CatalogueFile[]>>;
}

export interface SplitRefusal {
  readonly code: 'data-set-too-small';
  readonly message: string;
}

export interface SplitOptions {
  readonly labels: readonly string[];
  /** What the devices of a demo need together. */
  readonly liveFilesMin: number;
}

/**
 * Splits by package, so that no file is judged by a model that learned its neighbours. Packages of about one size
 * are dealt by a hash of their name and a salt. Salts are tried in order until each class has, in each part, 3
 * packages and about its share of the files, and `live` holds enough. No condition looks at a model. Live packages
 * are whole; of all others at most 60 files stay, evenly spaced by path.
 */
export function splitByPackage(
  files: readonly CatalogueFile[],
  options: SplitOptions,
): Result<Split, SplitRefusal> {
  const labels = new Set(options.labels);
  const known = files.filter((file) => labels.has(file.label));
  const thin = thinned(known);
  const packages = countPackages(thin, options.labels);
  const sizes = countPackages(known, options.labels);
  const bySize = [...sizes]
    .sort(([nameA, a], [nameB, b]) => sumOf(b) - sumOf(a) || (nameA < nameB ? -1 : 1))
    .map(([name]) => name);
  for (let salt = 0; salt < saltsMax; salt += 1) {
    const drawn = drawParts(salt, bySize);
    if (!isBalanced(packages, drawn)) continue;
    const of = (part: Part) => (file: CatalogueFile) => drawn.get(file.package) === part;
    const live = known.filter(of('live'));
    if (live.length < options.liveFilesMin) continue;
    const [first, second, held] = [of('first'), of('second'), of('held')].map((isOf) =>
      thin.filter(isOf),
    ) as [CatalogueFile[], CatalogueFile[], CatalogueFile[]];
    return ok({ salt, files: { first, second, live, held } });
  }
  return err({
    code: 'data-set-too-small',
    message: `${known.length} files in ${packages.size} packages cannot be split evenly`,
  });
}

function thinned(files: readonly CatalogueFile[]): readonly CatalogueFile[] {
  const byPackage = new Map<string, CatalogueFile[]>();
  for (const file of files) {
    const group = byPackage.get(file.package);
    if (group === undefined) byPackage.set(file.package, [file]);
    else group.push(file);
  }
  return [...byPackage.values()].flatMap((group) => {
    if (group.length <= filesPerPackageMax) return group;
    return Array.from({ length: filesPerPackageMax }, (_, at) => {
      return group[Math.floor((at * group.length) / filesPerPackageMax)];
    }).filter((file) => file !== undefined);
  });
}

/** Files per class of each package, in package-name order. */
function countPackages(
  files: readonly CatalogueFile[],
  labels: readonly string[],
): ReadonlyMap<string, readonly number[]> {
  const place = new Map(labels.map((label, index) => [label, index]));
  const names = [...new Set(files.map((file) => file.package))].sort();
  const packages = new Map(names.map((name) => [name, labels.map(() => 0)]));
  for (const file of files) {
    const counts = packages.get(file.package) ?? [];
    const at = place.get(file.label) ?? 0;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return packages;
}

/** How ten packages of about one size are dealt: 2, 4, 3 and 1, mixed so that a short last row is fair too. */
const row: readonly Part[] = [
  'second',
  'live',
  'first',
  'second',
  'live',
  'second',
  'held',
  'first',
  'second',
  'live',
];

/** Names by size, large first; each ten in turn are ordered by their hash and take the places of `row`. */
function drawParts(salt: number, bySize: readonly string[]): ReadonlyMap<string, Part> {
  const drawn = new Map<string, Part>();
  for (let from = 0; from < bySize.length; from += row.length) {
    const ten = bySize.slice(from, from + row.length).map((name) => ({
      name,
      key: createHash('sha256').update(`filetype/${salt}/${name}`).digest('hex'),
    }));
    ten.sort((a, b) => (a.key < b.key ? -1 : 1));
    ten.forEach(({ name }, place) => drawn.set(name, row[place] ?? 'held'));
  }
  return drawn;
}

function isBalanced(
  packages: ReadonlyMap<string, readonly number[]>,
  drawn: ReadonlyMap<string, Part>,
): boolean {
  const classes = packages.values().next().value?.length ?? 0;
  const none = (): number[] => new Array<number>(classes).fill(0);
  const filesIn = { first: none(), second: none(), live: none(), held: none() };
  const packagesIn = { first: none(), second: none(), live: none(), held: none() };
  const total = none();
  for (const [name, counts] of packages) {
    const part = drawn.get(name) ?? 'held';
    counts.forEach((files, at) => {
      total[at] = (total[at] ?? 0) + files;
      filesIn[part][at] = (filesIn[part][at] ?? 0) + files;
      if (files > 0) packagesIn[part][at] = (packagesIn[part][at] ?? 0) + 1;
    });
  }
  return parts.every((part) =>
    total.every((all, at) => {
      const files = filesIn[part][at] ?? 0;
      const wanted = shares[part] * all;
      const isCovered = (packagesIn[part][at] ?? 0) >= packagesPerClassMin;
      return isCovered && files >= wanted * balance.min && files <= wanted * balance.max;
    }),
  );
}

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, n) => sum + n, 0);
