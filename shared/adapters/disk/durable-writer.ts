import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { limits } from '../../contracts/limits.ts';
import { OperatingError } from '../../core/operating-error.ts';
import { errnoOf } from './disk-error.ts';
import type { FileCalls } from './file-calls.ts';

/**
 * What makes names and bytes survive a power cut. A failed fsync is reported once to `onFsyncFailure`, which
 * ends the process: the kernel drops the dirty pages and a second fsync would answer "fine" (Rebello et al.,
 * USENIX ATC 2020).
 */
export class DurableWriter {
  readonly #root: string;
  readonly #calls: FileCalls;
  readonly #onFsyncFailure: (cause: unknown) => void;
  /** Names this process has itself made durable: saves an fsync of the folder on every append. */
  readonly #durable = new Set<string>();

  constructor(root: string, calls: FileCalls, onFsyncFailure: (cause: unknown) => void) {
    this.#root = root;
    this.#calls = calls;
    this.#onFsyncFailure = onFsyncFailure;
  }

  async syncFile(file: FileHandle): Promise<void> {
    try {
      await file.sync();
    } catch (error) {
      throw this.#fatal(error);
    }
  }

  async syncFolder(folder: string): Promise<void> {
    const handle = await this.#calls.open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await this.syncFile(handle);
    } finally {
      await handle.close();
    }
  }

  /** Makes the name of an existing file durable, once per process. */
  async syncName(path: string): Promise<void> {
    if (this.#durable.has(path)) return;
    await this.syncFolder(dirname(path));
    this.#remember(path);
  }

  /**
   * Creates the folder and those above it down from the root. A folder that already stands is synced too the
   * first time, because the process that made it may have died before it could.
   */
  async ensureFolder(folder: string): Promise<void> {
    if (this.#durable.has(folder) || folder === this.#root) return;
    let at = this.#root;
    for (const part of relative(this.#root, folder).split(sep)) {
      const parent = at;
      at = join(at, part);
      if (this.#durable.has(at)) continue;
      try {
        await this.#calls.mkdir(at);
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
      }
      await this.syncFolder(parent);
      this.#remember(at);
    }
  }

  /** After a rename or a removal nothing is believed any more about this name and those below it. */
  forget(path: string): void {
    for (const name of this.#durable) {
      if (name === path || name.startsWith(path + sep)) this.#durable.delete(name);
    }
  }

  #remember(path: string): void {
    if (this.#durable.size >= limits.diskDurableNamesMax) this.#durable.clear();
    this.#durable.add(path);
  }

  #fatal(cause: unknown): OperatingError {
    this.#onFsyncFailure(cause);
    return new OperatingError('fsync-failed', 'the disk lost what was written', { cause });
  }
}
