import { diskFolderOf, diskPathParts } from '../../shared/core/disk-path.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Prng } from '../../shared/core/prng.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import { DiskImage, type Inode } from './disk-image.ts';

/** Faults are data: a scenario sets them, before a run or in the middle of one. */
export interface DiskFaults {
  capacityBytes: number;
  /** The power goes instead of the step with this number (1 is the first); see `MemoryDisk.steps`. */
  powerCutAtStep?: number | undefined;
  /** fsync answers "fine" and keeps nothing, as some cheap cards do. */
  losesFsync: boolean;
  /** The next fsync fails; the virtual process must end. */
  failsFsync: boolean;
  /** Links are refused, as FAT refuses them. */
  refusesLinks: boolean;
}

/**
 * What a process meets when its power goes inside a call: not an operating error that a runner could handle,
 * for the process that would handle it no longer runs.
 */
export class PowerCut extends Error {
  constructor() {
    super('the power is off');
    this.name = 'PowerCut';
  }
}

/**
 * DeviceDisk in memory, with a durable image beside the visible one. Each call that changes something is made of
 * the same steps as the real adapter's: write, fsync, rename, fsync of the folder; the power can go before any.
 */
export class MemoryDisk implements DeviceDisk {
  readonly faults: DiskFaults;
  readonly #image = new DiskImage();
  readonly #onFsyncFailure: (cause: unknown) => void;
  #steps = 0;
  #isOff = false;

  constructor(
    options: {
      readonly capacityBytes?: number;
      readonly onFsyncFailure?: (cause: unknown) => void;
    } = {},
  ) {
    this.faults = {
      capacityBytes: options.capacityBytes ?? 1024 * 1024 * 1024,
      losesFsync: false,
      failsFsync: false,
      refusesLinks: false,
    };
    this.#onFsyncFailure = options.onFsyncFailure ?? (() => undefined);
  }

  /** Steps performed so far: run once to count them, then again with `powerCutAtStep` at each. */
  get steps(): number {
    return this.#steps;
  }

  /** The power went at `powerCutAtStep`; every call fails until `powerCut` brings it back. */
  get isOff(): boolean {
    return this.#isOff;
  }

  get usedBytes(): number {
    return this.#image.usedBytes;
  }

  /** The power goes now and comes back: un-synced data and names are gone, or partly kept by `chance`. */
  powerCut(chance?: Prng): void {
    this.#image.loseVolatile(chance);
    this.#isOff = false;
    this.faults.powerCutAtStep = undefined;
  }

  flipBit(path: string, bitIndex: number): void {
    this.#image.flipBit(path, bitIndex);
  }

  /** Every file's path, sorted: what an observer sees without disturbing anything. */
  paths(): readonly string[] {
    return this.#image.paths();
  }

  async read(
    path: string,
    options: { readonly bytesMax: number },
  ): Promise<Uint8Array | undefined> {
    const inode = this.#look(path);
    if (inode === undefined) return undefined;
    if (inode.length > options.bytesMax) {
      throw new OperatingError(
        'file-too-large',
        `${path} has ${inode.length} bytes, the limit is ${options.bytesMax}`,
      );
    }
    return inode.bytes.slice(0, inode.length);
  }

  async readRange(
    path: string,
    range: { readonly from: number; readonly length: number },
  ): Promise<Uint8Array | undefined> {
    const inode = this.#look(path);
    return inode?.bytes.slice(
      Math.min(range.from, inode.length),
      Math.min(range.from + range.length, inode.length),
    );
  }

  async size(path: string): Promise<number | undefined> {
    return this.#look(path)?.length;
  }

  async list(folder: string): Promise<readonly string[]> {
    this.#mustHavePower();
    diskPathParts(folder);
    const names = new Set<string>();
    for (const path of this.#below(folder)) {
      const [name = ''] = path.slice(folder.length + 1).split('/');
      names.add(name);
    }
    return [...names].sort();
  }

  async append(
    path: string,
    bytes: Uint8Array,
    options: { readonly durable: boolean },
  ): Promise<void> {
    const known = this.#look(path);
    this.#step();
    this.#reserve(bytes.length, `append ${path}`);
    const inode = known ?? this.#image.create();
    this.#image.bind(path, inode);
    this.#image.write(inode, bytes);
    if (options.durable) this.#fsync(path, inode);
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    this.#look(path);
    this.#install(path, bytes);
  }

  async sync(path: string): Promise<void> {
    this.#fsync(path, this.#mustFind(path));
  }

  async truncate(path: string, bytes: number): Promise<void> {
    const inode = this.#mustFind(path);
    this.#step();
    this.#image.shorten(inode, bytes);
    this.#fsync(path, inode);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#look(to);
    const moved = this.#tree(from);
    if (moved.length === 0) this.#mustFind(from);
    if (from === to) return;
    if (this.#below(to).length > 0) {
      throw new OperatingError('disk-failed', `rename ${from}: ${to} is a folder with files`);
    }
    this.#step();
    const change = `rename ${from}`;
    for (const path of moved) {
      this.#image.bind(to + path.slice(from.length), this.#mustFind(path), change);
      this.#image.unbind(path, change);
    }
    this.#fsyncStep();
    if (!this.faults.losesFsync) this.#image.syncChange(change);
  }

  async link(from: string, to: string): Promise<'linked' | 'copied'> {
    const source = this.#mustFind(from);
    if (this.#look(to) !== undefined) return 'linked';
    if (this.faults.refusesLinks) {
      await this.copy(from, to);
      return 'copied';
    }
    this.#step();
    this.#image.bind(to, source);
    this.#fsyncFolder(diskFolderOf(to));
    return 'linked';
  }

  async copy(from: string, to: string): Promise<void> {
    const source = this.#mustFind(from);
    this.#look(to);
    this.#install(to, source.bytes.slice(0, source.length));
  }

  async remove(path: string): Promise<void> {
    this.#look(path);
    const gone = this.#tree(path);
    for (const name of gone) {
      this.#step();
      this.#image.unbind(name);
    }
    const folders = new Set(gone.map(diskFolderOf));
    for (const folder of [...folders].sort()) this.#fsyncFolder(folder);
  }

  async freeBytes(): Promise<number> {
    this.#mustHavePower();
    return Math.max(0, this.faults.capacityBytes - this.#image.usedBytes);
  }

  nativePath(path: string): string {
    return `/virtual/${diskPathParts(path).join('/')}`;
  }

  #install(path: string, bytes: Uint8Array): void {
    this.#step();
    this.#reserve(bytes.length, `replace ${path}`);
    const inode = this.#image.create();
    this.#image.write(inode, bytes);
    this.#fsyncData(inode);
    this.#step();
    this.#image.bind(path, inode);
    this.#fsyncFolder(diskFolderOf(path));
  }

  #fsync(path: string, inode: Inode): void {
    this.#fsyncData(inode);
    this.#fsyncFolder(diskFolderOf(path));
  }

  #fsyncData(inode: Inode): void {
    this.#fsyncStep();
    if (!this.faults.losesFsync) this.#image.syncData(inode);
  }

  /** Folders above are made durable with it, as the real adapter does when it creates them. */
  #fsyncFolder(folder: string): void {
    this.#fsyncStep();
    if (!this.faults.losesFsync) this.#image.syncNames(folder);
  }

  #fsyncStep(): void {
    this.#step();
    if (!this.faults.failsFsync) return;
    this.faults.failsFsync = false;
    const cause = new Error('input/output error');
    this.#onFsyncFailure(cause);
    throw new OperatingError('fsync-failed', 'the disk lost what was written', { cause });
  }

  #reserve(bytes: number, action: string): void {
    if (this.#image.usedBytes + bytes <= this.faults.capacityBytes) return;
    throw new OperatingError('disk-full', `no space left: ${action}`, { retryable: true });
  }

  #step(): void {
    this.#steps += 1;
    if (this.#steps === this.faults.powerCutAtStep) this.#isOff = true;
    this.#mustHavePower();
  }

  #mustHavePower(): void {
    if (this.#isOff) throw new PowerCut();
  }

  #look(path: string): Inode | undefined {
    this.#mustHavePower();
    diskPathParts(path);
    return this.#image.at(path);
  }

  #mustFind(path: string): Inode {
    const inode = this.#look(path);
    if (inode === undefined) throw new OperatingError('file-missing', `no such file: ${path}`);
    return inode;
  }

  /** The file of this name, or every file below the folder of this name. */
  #tree(path: string): readonly string[] {
    return this.#image.at(path) === undefined ? this.#below(path) : [path];
  }

  #below(folder: string): readonly string[] {
    return this.#image.paths().filter((path) => path.startsWith(`${folder}/`));
  }
}
