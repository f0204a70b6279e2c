import { createHash } from 'node:crypto';
import { invariant } from '../../../shared/core/invariant.ts';
import type { CatalogueFile } from './catalogue.ts';

/**
 * Deals the live files to devices: packages in hash order, each package's files in path order, cut into equal
 * runs. So a large package is cut along its folders and small ones are joined, and devices differ from each other as
 * real ones do. Every file is dealt exactly once.
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
  const sorted = files
    .map((file) => ({ file, order: orderOf(file.package) }))
    .sort((a, b) => compare(a.order, b.order) || compare(a.file.path, b.file.path));
  return Array.from({ length: devices }, (_, device) => {
    const from = Math.floor((device * sorted.length) / devices);
    const to = Math.floor(((device + 1) * sorted.length) / devices);
    return sorted.slice(from, to).map(({ file }) => file);
  });
}

const orderOf = (name: string): string =>
  createHash('sha256').update(`filetype/deal/${name}`).digest('hex');

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
