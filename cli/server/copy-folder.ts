import { constants } from 'node:fs';
import { chmod, copyFile, link, mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ListedBlob } from '../../fleet-server/adapters/sql/backup-store.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { blobPath, digestOfFile } from './backup-list.ts';

/** Makes sure that a folder is there and holds nothing. Throws `folder-not-empty`. */
export async function claimFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0) {
    throw new OperatingError('folder-not-empty', `${folder} holds files already`);
  }
  await chmod(folder, 0o700);
}

/** Copies one file for its owner alone, on disk before it returns. Never overwrites. */
export async function copyPrivately(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await copyFile(from, to, constants.COPYFILE_EXCL);
  await chmod(to, 0o600);
  await syncFile(to);
}

/** Names of the files of a folder; none where it is absent. */
export async function fileNames(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

export interface BlobCopy {
  readonly from: string;
  readonly to: string;
  /** A link shares the disk's one copy; `copy` survives a bad sector and another machine. */
  readonly how: 'link' | 'copy';
}

/**
 * Brings blobs over by digest, each hashed on the way. What nobody holds and is gone already is left out. Returns how
 * many came. Throws `backup-incomplete` for a missing blob and `backup-altered` for one that is not what its name says.
 */
export async function copyBlobs(blobs: readonly ListedBlob[], copy: BlobCopy): Promise<number> {
  let copied = 0;
  for (const { digest, isHeld } of blobs) {
    const from = join(copy.from, blobPath(digest));
    const found = await digestOfFile(from);
    if (found === undefined && !isHeld) continue;
    if (found === undefined) throw new OperatingError('backup-incomplete', `${digest} is missing`);
    if (found !== digest) throw new OperatingError('backup-altered', `${digest} holds ${found}`);
    await bring(from, join(copy.to, blobPath(digest)), copy.how);
    copied += 1;
  }
  return copied;
}

async function bring(from: string, to: string, how: BlobCopy['how']): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  if (how === 'link' && (await tryLink(from, to))) return;
  await copyFile(from, to, constants.COPYFILE_EXCL);
  await syncFile(to);
}

/** False where links do not work, such as across file systems. */
async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch {
    return false;
  }
}

export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
