import type { FileHandle } from 'node:fs/promises';
import { sep } from 'node:path';
import { limits } from '../../contracts/limits.ts';

interface OpenAppend {
  readonly file: FileHandle;
  /** Uses under way; a file in use is not closed. */
  uses: number;
  size: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Files that are appended to again and again stay open between two appends: a journal's record costs a write and an
 * fsync, not five calls. At most `diskOpenAppendsMax`, each closed when it has rested for `diskOpenAppendMs`.
 *
 * INVARIANTS
 * - Uses and closes of one path do not overlap; the disk's path locks see to that.
 * - Nobody else changes these files while this process lives: what lies below a disk's root is one process's own.
 */
export class OpenAppends {
  readonly #open: (native: string) => Promise<FileHandle>;
  /** The least recently used first. */
  readonly #files = new Map<string, OpenAppend>();

  constructor(open: (native: string) => Promise<FileHandle>) {
    this.#open = open;
  }

  /**
   * `append` gets the bytes of the file before, and returns those after. After a failure the file is closed: what is
   * wrong with it may be wrong with the handle.
   */
  async use(
    native: string,
    append: (file: FileHandle, size: number) => Promise<number>,
  ): Promise<void> {
    const entry = this.#files.get(native) ?? (await this.#opened(native));
    clearTimeout(entry.timer);
    entry.uses += 1;
    this.#files.delete(native);
    this.#files.set(native, entry);
    try {
      entry.size = await append(entry.file, entry.size);
    } catch (error) {
      await this.#drop(native, entry);
      throw error;
    } finally {
      entry.uses -= 1;
    }
    entry.timer = setTimeout(() => void this.#drop(native, entry), limits.diskOpenAppendMs).unref();
    await this.#makeRoom();
  }

  /** Closes the file and all below it, if it is a folder. */
  async close(native: string): Promise<void> {
    for (const [path, entry] of [...this.#files]) {
      if (path === native || path.startsWith(native + sep)) await this.#drop(path, entry);
    }
  }

  async #opened(native: string): Promise<OpenAppend> {
    const file = await this.#open(native);
    const { size } = await file.stat();
    return { file, size, uses: 0, timer: undefined };
  }

  async #makeRoom(): Promise<void> {
    for (const [path, entry] of [...this.#files]) {
      if (this.#files.size <= limits.diskOpenAppendsMax) return;
      if (entry.uses === 0) await this.#drop(path, entry);
    }
  }

  async #drop(native: string, entry: OpenAppend): Promise<void> {
    clearTimeout(entry.timer);
    if (this.#files.get(native) === entry) this.#files.delete(native);
    // What was written is on disk or not by its fsync; a close has nothing to add.
    await entry.file.close().catch(() => undefined);
  }
}
