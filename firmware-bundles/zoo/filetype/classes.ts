import type { CatalogueFile } from './catalogue.ts';

export interface ClassCount {
  readonly label: string;
  readonly files: number;
  readonly packages: number;
}

const filesMin = 30;
const packagesMin = 10;

/** The classes of a catalogue: labels with at least 30 files in at least 10 packages, the most files first. */
export function countClasses(files: readonly CatalogueFile[]): readonly ClassCount[] {
  const byLabel = new Map<string, { files: number; packages: Set<string> }>();
  for (const file of files) {
    const count = byLabel.get(file.label) ?? { files: 0, packages: new Set<string>() };
    count.files += 1;
    count.packages.add(file.package);
    byLabel.set(file.label, count);
  }
  return [...byLabel]
    .map(([label, count]) => ({ label, files: count.files, packages: count.packages.size }))
    .filter((count) => count.files >= filesMin && count.packages >= packagesMin)
    .sort((a, b) => b.files - a.files || (a.label < b.label ? -1 : 1));
}
