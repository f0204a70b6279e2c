import { createHash } from 'node:crypto';
import { invariant } from '../../../shared/core/invariant.ts';
import type { CatalogueFile } from './catalogue.ts';

/** Files of one package that stay together when it is cut: a folder's worth. */
const filesTogether = 5;

/**
 * Deals the live files to devices: each package's files, in path order, are cut into short runs, and the runs dealt in
 * hash order. So a large package is cut along its folders, small ones are joined, and a device holds some of several
 * packages: devices differ from each other, but none is all of one hard kind. Every file is dealt exactly once.
 */
export function dealToDevices(
  files: readonly CatalogueFile[],
  options: { readonly devices: number; readonly filesMin: number },
): readonly (readonly CatalogueFile[])[] {
  const { devices, filesMin } = options;
  invariant(
    files.length >= devices * filesMin,
    `${devices} devices need ${devices * filesMin} files, ${files.length} are live`,
  );
  const dealt = [...runsOf(files)]
    .map((run) => ({ run, order: orderOf(run[0]?.path ?? '') }))
    .sort((a, b) => compare(a.order, b.order))
    .flatMap(({ run }) => run);
  return Array.from({ length: devices }, (_, device) => {
    const from = Math.floor((device * dealt.length) / devices);
    const to = Math.floor(((device + 1) * dealt.length) / devices);
    return dealt.slice(from, to);
  });
}

function* runsOf(files: readonly CatalogueFile[]): Generator<readonly CatalogueFile[]> {
  const sorted = [...files].sort(
    (a, b) => compare(a.package, b.package) || compare(a.path, b.path),
  );
  let run: CatalogueFile[] = [];
  for (const file of sorted) {
    const isFull = run.length === filesTogether || run[0]?.package !== file.package;
    if (isFull && run.length > 0) {
      yield run;
      run = [];
    }
    run.push(file);
  }
  if (run.length > 0) yield run;
}

const orderOf = (path: string): string =>
  createHash('sha256').update(`filetype/deal/${path}`).digest('hex');

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
