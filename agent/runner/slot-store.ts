import { limits } from '../../shared/contracts/limits.ts';
import { textOf, utf8 } from '../../shared/core/bytes.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { err, ok } from '../../shared/core/result.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import {
  areSlotNames,
  type IndexedFile,
  parseSlotIndex,
  type SlotFile,
  type SlotIndex,
} from '../core/store/slot-index.ts';
import { blobPath, type SlotName, slotFolder, slotIndexPath } from '../core/store/store-path.ts';
import type { ContentStore, StoreResult } from './content-store.ts';
import { type AfterPiece, digestOfFile } from './file-hash.ts';

/** `full`: last-good has bytes of its own; `shared`: space did not allow it. */
export type Redundancy = 'full' | 'shared';

/**
 * Slots: folders `slots/<app>/<hex of the manifest>` of hard links into the content store. What is equal in two
 * slots is on disk once, until last-good is given copies of its own.
 *
 * INVARIANTS
 * - `slot.json` is written last; a slot without it is not whole, whatever else lies there.
 * - No file of a slot is ever written in place: it is linked, replaced by a copy, or removed.
 */
export class SlotStore {
  readonly #disk: DeviceDisk;
  readonly #content: ContentStore;

  constructor(disk: DeviceDisk, content: ContentStore) {
    this.#disk = disk;
    this.#content = content;
  }

  /** What the slot holds; undefined when it is not whole. */
  async readIndex(slot: SlotName): Promise<SlotIndex | undefined> {
    const bytes = await this.#disk.read(slotIndexPath(slot), {
      bytesMax: limits.slotIndexBytesMax,
    });
    const text = bytes === undefined ? undefined : textOf(bytes);
    return text === undefined ? undefined : parseSlotIndex(text);
  }

  /** Absolute path of one file, for a runtime that opens files itself. */
  nativePath(slot: SlotName, name: string): string {
    return this.#disk.nativePath(`${slotFolder(slot)}/${name}`);
  }

  /**
   * Links verified blobs into the slot, and repairs one that is there but not whole. Doing it twice is nothing. The
   * files are not read again here: `checkSlot` comes before each activation.
   */
  async stage(slot: SlotName, files: readonly SlotFile[]): Promise<StoreResult<SlotIndex>> {
    if (!areSlotNames(files)) return err({ code: 'slot-name-refused', digest: slot.digest });
    const before = await this.readIndex(slot);
    if (before !== undefined && isSameContent(before.files, files)) return ok(before);
    for (const { digest } of files) {
      if (!(await this.#content.hasBlob(digest))) return err({ code: 'blob-missing', digest });
    }
    // Leftovers of a cut staging, or of a rotten slot, may be anything.
    await this.#disk.remove(slotFolder(slot));
    const indexed: IndexedFile[] = [];
    for (const file of files) {
      const how = await this.#disk.link(blobPath(file.digest), this.#pathOf(slot, file.name));
      indexed.push({
        name: file.name,
        digest: file.digest,
        bytes: file.bytes,
        isOwn: how === 'copied',
      });
    }
    return ok(await this.#writeIndex(slot, indexed));
  }

  /**
   * Hashes every file of the slot again. A rotten file is put right from the blob where that is still good; otherwise
   * it is unlinked with its blob, the slot is no longer whole, and the digest to fetch is named.
   */
  async checkSlot(slot: SlotName, afterPiece?: AfterPiece): Promise<StoreResult<SlotIndex>> {
    const index = await this.readIndex(slot);
    if (index === undefined) return err({ code: 'slot-incomplete', digest: slot.digest });
    for (const file of index.files) {
      const path = this.#pathOf(slot, file.name);
      const found = await digestOfFile(this.#disk, path, afterPiece);
      if (found === file.digest) {
        await this.#giveBack(file, path);
        continue;
      }
      // The same bad sector is usually under both names; `checkBlob` unlinks the other one.
      await this.#disk.remove(path);
      const blob = await this.#content.checkBlob(file.digest);
      if (!blob.ok) {
        await this.#disk.remove(slotIndexPath(slot));
        return err({ code: 'blob-corrupt', digest: file.digest, name: file.name });
      }
      await this.#disk.copy(blobPath(file.digest), path);
    }
    return ok(index);
  }

  /**
   * Gives last-good its own copies of what it shares with the active slot, as far as space allows. A single bad sector
   * then cannot take both. Doing it again goes on where it stopped.
   */
  async protect(lastGood: SlotName, active: SlotName): Promise<StoreResult<Redundancy>> {
    const index = await this.readIndex(lastGood);
    const other = await this.readIndex(active);
    if (index === undefined) return err({ code: 'slot-incomplete', digest: lastGood.digest });
    const shared = new Set(other?.files.map(({ digest }) => digest));
    if (lastGood.app === active.app && lastGood.digest === active.digest) return ok('full');
    const files: IndexedFile[] = [];
    for (const file of index.files) {
      const needsCopy = !file.isOwn && shared.has(file.digest);
      files.push(needsCopy ? { ...file, isOwn: await this.#copyOwn(lastGood, file) } : file);
    }
    if (files.some((file, i) => file.isOwn !== index.files[i]?.isOwn)) {
      await this.#writeIndex(lastGood, files);
    }
    const isFull = files.every((file) => file.isOwn || !shared.has(file.digest));
    return ok(isFull ? 'full' : 'shared');
  }

  async remove(slot: SlotName): Promise<void> {
    // The index goes first: a cut in between leaves a slot that is not whole, not one that lies.
    await this.#disk.remove(slotIndexPath(slot));
    await this.#disk.remove(slotFolder(slot));
  }

  /** False when there is no room, or what would be copied is already rotten: then `checkSlot` has work. */
  async #copyOwn(slot: SlotName, file: IndexedFile): Promise<boolean> {
    if (!(await this.#content.hasRoomFor(file.bytes))) return false;
    const blob = await this.#content.checkBlob(file.digest);
    if (!blob.ok) return false;
    const path = this.#pathOf(slot, file.name);
    await this.#disk.copy(blobPath(file.digest), path);
    return (await digestOfFile(this.#disk, path)) === file.digest;
  }

  /** A blob that is gone while a slot still has it whole comes back without the network. */
  async #giveBack(file: IndexedFile, path: string): Promise<void> {
    if (await this.#content.hasBlob(file.digest)) return;
    if (file.isOwn) await this.#disk.copy(path, blobPath(file.digest));
    else await this.#disk.link(path, blobPath(file.digest));
  }

  async #writeIndex(slot: SlotName, files: readonly IndexedFile[]): Promise<SlotIndex> {
    const index: SlotIndex = { v: 1, files };
    await this.#disk.replace(slotIndexPath(slot), utf8(JSON.stringify(index)));
    return index;
  }

  #pathOf(slot: SlotName, name: string): string {
    return `${slotFolder(slot)}/${name}`;
  }
}

function isSameContent(before: readonly SlotFile[], after: readonly SlotFile[]): boolean {
  const textOfFiles = (files: readonly SlotFile[]): string =>
    files
      .map(({ name, digest }: { name: string; digest: Digest }) => `${name} ${digest}`)
      .sort()
      .join('\n');
  return textOfFiles(before) === textOfFiles(after);
}
