import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { filetypeCounts, filetypeFeatures } from './features.ts';

/** One file the model can learn from or be asked about. */
export interface CatalogueFile {
  /** Relative to the folder given, `/`-separated. */
  readonly path: string;
  /** Name of the package whose folder holds the file; two versions of a package are one. */
  readonly package: string;
  /** Extension in lower case, with spellings of one type joined. */
  readonly label: string;
  readonly counts: Uint8Array;
}

/** Spellings whose bytes do not tell them apart. */
const joined = new Map([
  ['mjs', 'js'],
  ['cjs', 'js'],
  ['mts', 'ts'],
  ['cts', 'ts'],
]);

/** Last part of the name after a dot, lower case; none for `README` and for dot files such as `.npmignore`. */
export function labelOf(fileName: string): string | undefined {
  const dot = fileName.lastIndexOf('.');
  if (dot <= 0 || dot === fileName.length - 1) return undefined;
  const extension = fileName.slice(dot + 1).toLowerCase();
  return joined.get(extension) ?? extension;
}

/** `a/node_modules/@s/b/c.js` belongs to `@s/b`: the innermost package counts. */
export function packageOf(path: string): string {
  const inner = path.split('node_modules/').pop() ?? path;
  const [first = '', second = ''] = inner.split('/');
  return first.startsWith('@') ? `${first}/${second}` : first;
}

/**
 * The labelled files of an installed `node_modules` tree, sorted by path. Files are equal when their first
 * bytes are, because the model sees no more; an equal file counts once, where it sorts first. Left out: links,
 * empty files, and what tools keep in dot folders beside the packages.
 */
export function readPackageTree(nodeModules: string): readonly CatalogueFile[] {
  return readFolder(nodeModules, { filesMax: 200_000 });
}

/** Labelled files of any folder, or `undefined` when there is none: a far test that is absent is left out and said. */
export function readFarFolder(
  folder: string,
  options: { readonly labels: readonly string[]; readonly filesMax: number },
): readonly CatalogueFile[] | undefined {
  if (!existsSync(folder)) return undefined;
  return readFolder(folder, options);
}

function readFolder(
  root: string,
  options: { readonly labels?: readonly string[]; readonly filesMax: number },
): readonly CatalogueFile[] {
  const wanted = options.labels === undefined ? undefined : new Set(options.labels);
  const files: CatalogueFile[] = [];
  const seen = new Set<string>();
  const head = new Uint8Array(filetypeFeatures.prefixBytes);
  for (const path of walk(root)) {
    if (files.length >= options.filesMax) break;
    const label = labelOf(path.slice(path.lastIndexOf('/') + 1));
    if (label === undefined || wanted?.has(label) === false) continue;
    const length = readHead(join(root, path), head);
    if (length === 0) continue;
    const bytes = head.subarray(0, length);
    const digest = createHash('sha256').update(bytes).digest('base64');
    if (seen.has(digest)) continue;
    seen.add(digest);
    files.push({ path, package: packageOf(path), label, counts: filetypeCounts(bytes) });
  }
  return files;
}

/** Regular files below `root` in path order by UTF-16 code unit, the same on every machine. */
function* walk(root: string): Generator<string> {
  const pending = [''];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    const entries = listFolder(join(root, folder));
    const inPackages = folder === '' || folder.endsWith('node_modules');
    const folders: string[] = [];
    for (const entry of entries) {
      if (inPackages && entry.name.startsWith('.')) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) yield path;
    }
    pending.push(...folders.reverse());
  }
}

/** A folder of a far tree may be closed to this user: then it is empty for us. */
function listFolder(path: string): { name: string; isDirectory(): boolean; isFile(): boolean }[] {
  try {
    return readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}

function readHead(path: string, into: Uint8Array): number {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return 0;
  }
  try {
    return readSync(file, into, 0, into.length, 0);
  } finally {
    closeSync(file);
  }
}
