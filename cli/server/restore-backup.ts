import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { listStoredBlobs } from '../../fleet-server/adapters/sql/backup-store.ts';
import { restoreStore } from '../../fleet-server/adapters/sql/restore-store.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { type BackupList, digestOfFile, readBackupList, storeName } from './backup-list.ts';
import { claimFolder, copyBlobs, copyPrivately, syncFile } from './copy-folder.ts';

export interface Restored {
  readonly data: string;
  readonly takenAtMs: number;
  readonly blobs: number;
}

/**
 * Puts a backup into an empty data folder. Everything is checked and copied beside it, and takes its name at the end:
 * a restore that was cut off leaves no folder that a server would start from. Throws `folder-not-empty`,
 * `backup-incomplete`, `backup-altered`.
 */
export async function restoreBackup(from: string, to: string): Promise<Restored> {
  const data = resolve(to);
  const list = await readBackupList(from);
  await claimFolder(data);
  const growing = join(dirname(data), `.${basename(data)}.restoring`);
  await claimFolder(growing);
  try {
    const blobs = await fill(growing, from, list);
    await rename(growing, data);
    await syncFile(dirname(data));
    return { data, takenAtMs: list.takenAtMs, blobs };
  } catch (error) {
    await rm(growing, { recursive: true, force: true });
    throw error;
  }
}

/** Returns how many blobs came. */
async function fill(growing: string, from: string, list: BackupList): Promise<number> {
  for (const { path, digest } of list.files) {
    const found = await digestOfFile(join(from, path));
    if (found === undefined) throw new OperatingError('backup-incomplete', `${path} is missing`);
    if (found !== digest) throw new OperatingError('backup-altered', `${path} holds ${found}`);
    if (path !== storeName) await copyPrivately(join(from, path), join(growing, path));
  }
  const store = join(from, storeName);
  const copy = { from, to: growing, how: 'copy' } as const;
  const blobs = await copyBlobs(listStoredBlobs(store), copy);
  restoreStore({ from: store, to: join(growing, storeName) });
  return blobs;
}
