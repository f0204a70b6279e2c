import { diskFolderOf } from '../../shared/core/disk-path.ts';
import { invariant } from '../../shared/core/invariant.ts';
import type { Prng } from '../../shared/core/prng.ts';

/** Bytes of one file; several names may share it. What lies beyond `durableLength` is page cache only. */
export interface Inode {
  bytes: Uint8Array;
  length: number;
  durableLength: number;
  names: number;
}

/**
 * Two images of one disk: what a running process sees, and what a boot finds after the power went. A file's
 * data becomes durable by `syncData`, a name by `syncNames` of its folder, and not otherwise (Pillai et al., OSDI
 * 2014).
 */
export class DiskImage {
  readonly #seen = new Map<string, Inode>();
  readonly #durable = new Map<string, Inode>();
  /** Names on which the images may disagree, with their change: a rename is kept whole or lost whole. */
  readonly #dirty = new Map<string, string>();
  usedBytes = 0;

  at(path: string): Inode | undefined {
    return this.#seen.get(path);
  }

  paths(): readonly string[] {
    return [...this.#seen.keys()].sort();
  }

  create(): Inode {
    return { bytes: new Uint8Array(0), length: 0, durableLength: 0, names: 0 };
  }

  write(inode: Inode, bytes: Uint8Array): void {
    const needed = inode.length + bytes.length;
    if (needed > inode.bytes.length) {
      // Growing by half keeps a journal of many small appends linear.
      const grown = new Uint8Array(
        Math.max(needed, inode.length + (inode.length >> 1), inode.bytes.length),
      );
      grown.set(inode.bytes);
      inode.bytes = grown;
    }
    inode.bytes.set(bytes, inode.length);
    inode.length = needed;
    if (inode.names > 0) this.usedBytes += bytes.length;
  }

  shorten(inode: Inode, length: number): void {
    if (length >= inode.length) return;
    if (inode.names > 0) this.usedBytes -= inode.length - length;
    inode.length = length;
  }

  syncData(inode: Inode): void {
    inode.durableLength = inode.length;
  }

  bind(path: string, inode: Inode, change = path): void {
    const before = this.#seen.get(path);
    if (before === inode) return;
    if (before !== undefined) this.#release(before);
    if (inode.names === 0) this.usedBytes += inode.length;
    inode.names += 1;
    this.#seen.set(path, inode);
    this.#dirty.set(path, change);
  }

  unbind(path: string, change = path): void {
    const before = this.#seen.get(path);
    if (before === undefined) return;
    this.#release(before);
    this.#seen.delete(path);
    this.#dirty.set(path, change);
  }

  syncNames(folder: string): void {
    const changes = new Set<string>();
    for (const [path, change] of this.#dirty) {
      if (diskFolderOf(path) === folder) changes.add(change);
    }
    this.#syncChanges((change) => changes.has(change));
  }

  syncChange(meant: string): void {
    this.#syncChanges((change) => change === meant);
  }

  /**
   * Drops what was not synced. With `chance`, the kernel happened to write some of it back before: a prefix of
   * the tail of each file, and some of the names.
   */
  loseVolatile(chance: Prng | undefined): void {
    if (chance !== undefined) {
      const changes = [...new Set(this.#dirty.values())].sort();
      const kept = new Set(changes.filter(() => chance.nextBelow(2) === 1));
      this.#syncChanges((change) => kept.has(change));
    }
    this.#dirty.clear();
    this.#seen.clear();
    this.usedBytes = 0;
    const survivors = new Set<Inode>();
    for (const [path, inode] of [...this.#durable].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!survivors.has(inode)) {
        survivors.add(inode);
        inode.names = 0;
        const tail = Math.max(0, inode.length - inode.durableLength);
        inode.length = inode.durableLength + (chance?.nextBelow(tail + 1) ?? 0);
        inode.durableLength = inode.length;
        this.usedBytes += inode.length;
      }
      inode.names += 1;
      this.#seen.set(path, inode);
    }
  }

  /** A bit that rotted on the medium: every name of the file and both images see it. */
  flipBit(path: string, bitIndex: number): void {
    const inode = this.#seen.get(path);
    invariant(inode !== undefined && bitIndex < inode.length * 8, `no such bit in ${path}`);
    const at = bitIndex >> 3;
    inode.bytes[at] = (inode.bytes[at] ?? 0) ^ (1 << (bitIndex & 7));
  }

  #syncChanges(isMeant: (change: string) => boolean): void {
    for (const [path, change] of [...this.#dirty]) {
      if (!isMeant(change)) continue;
      const inode = this.#seen.get(path);
      if (inode === undefined) this.#durable.delete(path);
      else this.#durable.set(path, inode);
      this.#dirty.delete(path);
    }
  }

  #release(inode: Inode): void {
    inode.names -= 1;
    if (inode.names === 0) this.usedBytes -= inode.length;
  }
}
