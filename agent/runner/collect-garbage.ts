import { isAppName } from '../../shared/core/ids.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import {
  decideGarbage,
  type Garbage,
  type GarbageRoots,
  type StoreContents,
} from '../core/store/decide-garbage.ts';
import {
  blobFolder,
  blobPath,
  digestOfName,
  downloadFolder,
  partPath,
  slotsFolder,
} from '../core/store/store-path.ts';
import type { SlotStore } from './slot-store.ts';

/**
 * Frees what nothing needs: slots first, then blobs, then half downloads. Safe to be cut at any point and to be done
 * again; never run it while a slot is being staged from blobs that are not among the roots' downloads.
 */
export async function collectGarbage(
  disk: DeviceDisk,
  slots: SlotStore,
  roots: GarbageRoots,
): Promise<Garbage> {
  const garbage = decideGarbage(await readContents(disk, slots), roots);
  for (const slot of garbage.slots) await slots.remove(slot);
  for (const digest of garbage.blobs) await disk.remove(blobPath(digest));
  for (const digest of garbage.parts) await disk.remove(partPath(digest));
  return garbage;
}

async function readContents(disk: DeviceDisk, slots: SlotStore): Promise<StoreContents> {
  const found: StoreContents['slots'][number][] = [];
  for (const app of await disk.list(slotsFolder)) {
    if (!isAppName(app)) continue;
    for (const name of await disk.list(`${slotsFolder}/${app}`)) {
      const digest = digestOfName(name);
      if (digest === undefined) continue;
      const slot = { app: app, digest };
      const index = await slots.readIndex(slot);
      found.push({ slot, digests: index?.files.map((file) => file.digest) });
    }
  }
  const names = async (folder: string, ending: string) =>
    (await disk.list(folder))
      .filter((name) => name.endsWith(ending))
      .map((name) => digestOfName(name.slice(0, name.length - ending.length)))
      .filter((digest) => digest !== undefined);
  return {
    slots: found,
    blobs: await names(blobFolder, ''),
    parts: await names(downloadFolder, '.part'),
  };
}
