import { invariant } from './invariant.ts';

/** Longest relative path; the root folder's own path comes on top and PATH_MAX is 4,096. */
const pathCharactersMax = 512;
/** NAME_MAX of every file system Skein meets is 255; temporaries put a prefix before the name. */
const nameCharactersMax = 240;

/**
 * The parts of a path of the DeviceDisk port. Both disks refuse the same paths, by an invariant: names from
 * outside are checked by their schema long before they become a path, so a bad one here is a bug.
 */
export function diskPathParts(path: string): readonly string[] {
  invariant(path.length <= pathCharactersMax, 'a disk path is too long');
  invariant(/^[A-Za-z0-9._@/-]+$/.test(path), `a disk path has a forbidden character: ${path}`);
  const parts = path.split('/');
  for (const part of parts) {
    const isPlain = part !== '' && part !== '.' && part !== '..';
    invariant(
      isPlain && part.length <= nameCharactersMax,
      `a disk path has a forbidden part: ${path}`,
    );
    invariant(!part.startsWith(temporaryPrefix), `a disk path names a temporary: ${path}`);
  }
  return parts;
}

/** The folder of a checked path; `''` is the root. */
export function diskFolderOf(path: string): string {
  const cut = path.lastIndexOf('/');
  return cut === -1 ? '' : path.slice(0, cut);
}

/** Files that a `replace` or `copy` is still writing; no `list` shows them and no caller may name one. */
export const temporaryPrefix = '.tmp-';
