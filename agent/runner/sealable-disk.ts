import { OperatingError } from '../../shared/core/operating-error.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';

/**
 * A disk that can be closed to writers. A step of an update may outlive the agent's loops by the length of a
 * download or of a trial; ending in the middle of it is what every step survives at a power cut; writing into a
 * folder that somebody else may have opened meanwhile is not.
 */
export class SealableDisk implements DeviceDisk {
  readonly #disk: DeviceDisk;
  readonly #writing = new Set<Promise<unknown>>();
  #isSealed = false;

  constructor(disk: DeviceDisk) {
    this.#disk = disk;
  }

  /** Every later write rejects with `agent-stopped`; resolves when those under way have ended. */
  async seal(): Promise<void> {
    this.#isSealed = true;
    await Promise.allSettled([...this.#writing]);
  }

  read(...asked: Parameters<DeviceDisk['read']>): ReturnType<DeviceDisk['read']> {
    return this.#disk.read(...asked);
  }

  readRange(...asked: Parameters<DeviceDisk['readRange']>): ReturnType<DeviceDisk['readRange']> {
    return this.#disk.readRange(...asked);
  }

  size(path: string): Promise<number | undefined> {
    return this.#disk.size(path);
  }

  list(folder: string): Promise<readonly string[]> {
    return this.#disk.list(folder);
  }

  freeBytes(): Promise<number> {
    return this.#disk.freeBytes();
  }

  nativePath(path: string): string {
    return this.#disk.nativePath(path);
  }

  append(...asked: Parameters<DeviceDisk['append']>): Promise<void> {
    return this.#write(() => this.#disk.append(...asked));
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    return this.#write(() => this.#disk.replace(path, bytes));
  }

  sync(path: string): Promise<void> {
    return this.#write(() => this.#disk.sync(path));
  }

  truncate(path: string, bytes: number): Promise<void> {
    return this.#write(() => this.#disk.truncate(path, bytes));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#write(() => this.#disk.rename(from, to));
  }

  link(from: string, to: string): Promise<'linked' | 'copied'> {
    return this.#write(() => this.#disk.link(from, to));
  }

  copy(from: string, to: string): Promise<void> {
    return this.#write(() => this.#disk.copy(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#write(() => this.#disk.remove(path));
  }

  async #write<T>(begin: () => Promise<T>): Promise<T> {
    if (this.#isSealed) throw new OperatingError('agent-stopped', 'the agent has ended');
    const writing = begin();
    this.#writing.add(writing);
    try {
      return await writing;
    } finally {
      this.#writing.delete(writing);
    }
  }
}
