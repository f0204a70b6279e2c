import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { backupStore, listStoredBlobs } from '../../fleet-server/adapters/sql/backup-store.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { writeDurably } from '../keys/workspace.ts';
import { type BackupList, digestOfFile, listName, rootName, storeName } from './backup-list.ts';
import { claimFolder, copyBlobs, copyPrivately, fileNames } from './copy-folder.ts';

export interface BackupRequest {
  /** The server's data folder; the server may go on running. */
  readonly data: string;
  readonly rootFile: string;
  readonly to: string;
  readonly blobs: 'link' | 'copy';
  readonly nowMs: number;
}

export interface BackupTaken {
  readonly folder: string;
  readonly files: number;
  readonly blobs: number;
}

/**
 * Takes a backup into an empty folder. The store is copied first and names the blobs that belong to it; `backup.json`
 * comes last, so a backup that was cut off is none. The copy holds online keys and secrets: it is worth as much as
 * the server itself.
 */
export async function writeBackup(request: BackupRequest): Promise<BackupTaken> {
  const { data, to, rootFile, nowMs } = request;
  await claimFolder(to);
  const store = join(to, storeName);
  backupStore({ from: join(data, storeName), to: store });
  await chmod(store, 0o600);
  const names = [storeName];
  for (const folder of ['keys', 'secrets']) {
    for (const name of await fileNames(join(data, folder))) {
      await copyPrivately(join(data, folder, name), join(to, folder, name));
      names.push(`${folder}/${name}`);
    }
  }
  if ((await digestOfFile(rootFile)) !== undefined) {
    await copyPrivately(rootFile, join(to, rootName));
    names.push(rootName);
  }
  const copy = { from: data, to, how: request.blobs };
  const blobs = await copyBlobs(listStoredBlobs(store), copy);
  const list: BackupList = { format: 'skein-backup/1', takenAtMs: nowMs, files: [] };
  for (const path of names) list.files.push({ path, digest: await digestOrThrow(join(to, path)) });
  await writeDurably(join(to, listName), utf8(`${canonicalJson(list)}\n`), { mode: 0o600 });
  return { folder: to, files: names.length, blobs };
}

async function digestOrThrow(path: string) {
  const digest = await digestOfFile(path);
  if (digest === undefined) throw new OperatingError('backup-incomplete', `${path} vanished`);
  return digest;
}
