import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the house, with a slash at its end. */
export const house = fileURLToPath(new URL('../../', import.meta.url));

export const topRooms = [
  'agent',
  'bench',
  'cli',
  'deploy',
  'firmware-bundles',
  'fleet-server',
  'shared',
  'sim',
  'test',
] as const;

export interface SourceFile {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly text: string;
}

const skippedFolders = new Set(['node_modules', 'dist', 'generated', 'coverage']);

/** Every path below a top room, folders without their generated and installed parts, sorted. */
export function pathsOf(room: string): readonly string[] {
  const paths: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(house + folder, { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (!entry.isDirectory()) paths.push(path);
      else if (!skippedFolders.has(entry.name)) visit(path);
    }
  };
  visit(room);
  return paths.sort();
}

/** The TypeScript of all rooms, tests included. */
export function sources(): readonly SourceFile[] {
  return topRooms
    .flatMap(pathsOf)
    .filter((path) => extname(path) === '.ts')
    .map((path) => ({ path, text: readFileSync(house + path, 'utf8') }));
}

export const isTest = (path: string): boolean =>
  path.startsWith('test/') || path.endsWith('.test.ts');
