import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { limits } from '../../contracts/limits.ts';
import { diskPathParts, temporaryPrefix } from '../../core/disk-path.ts';
import { OperatingError } from '../../core/operating-error.ts';
import type { DeviceDisk } from '../../ports/device-disk.ts';
import { diskError, errnoOf, isAbsent } from './disk-error.ts';
import { DurableWriter } from './durable-writer.ts';
import { type FileCalls, realFileCalls } from './file-calls.ts';
import { OpenAppends } from './open-appends.ts';
import { PathLocks } from './path-locks.ts';

export interface NodeDiskOptions {
  /** Absolute path of a folder that exists. */
  readonly root: string;
  /** Ends the process: main passes `process.abort`. What it throws or returns does not matter to the data. */
  readonly onFsyncFailure: (cause: unknown) => void;
  readonly fileCalls?: FileCalls;
}

/** A symbolic link planted in the root could lead out of it, so the last part of a path may not be one. */
const { O_RDONLY, O_RDWR, O_APPEND, O_CREAT, O_TRUNC, O_WRONLY, O_NOFOLLOW } = constants;
const linkRefusals = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** DeviceDisk over `node:fs`, with the write recipe of Pillai et al. (OSDI 2014): temp, fsync, rename, fsync. */
export class NodeDisk implements DeviceDisk {
  readonly #root: string;
  readonly #calls: FileCalls;
  readonly #durable: DurableWriter;
  readonly #locks = new PathLocks();
  readonly #appends: OpenAppends;

  constructor(options: NodeDiskOptions) {
    this.#root = options.root;
    this.#calls = options.fileCalls ?? realFileCalls;
    this.#durable = new DurableWriter(options.root, this.#calls, options.onFsyncFailure);
    const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW;
    this.#appends = new OpenAppends((native) => this.#calls.open(native, flags, 0o600));
  }

  async read(
    path: string,
    options: { readonly bytesMax: number },
  ): Promise<Uint8Array | undefined> {
    return this.#reading(path, async (file, size) => {
      if (size > options.bytesMax) {
        throw new OperatingError(
          'file-too-large',
          `${path} has ${size} bytes, the limit is ${options.bytesMax}`,
        );
      }
      return readFully(file, 0, size);
    });
  }

  async readRange(
    path: string,
    range: { readonly from: number; readonly length: number },
  ): Promise<Uint8Array | undefined> {
    return this.#reading(path, async (file, size) => {
      const length = Math.max(0, Math.min(range.length, size - range.from));
      return readFully(file, range.from, length);
    });
  }

  async size(path: string): Promise<number | undefined> {
    try {
      const found = await this.#calls.lstat(this.nativePath(path));
      if (!found.isFile()) throw new Error('not a file');
      return found.size;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw diskError(error, `read ${path}`);
    }
  }

  async list(folder: string): Promise<readonly string[]> {
    try {
      const names = await this.#calls.readdir(this.nativePath(folder));
      return names.filter((name) => !name.startsWith(temporaryPrefix)).sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw diskError(error, `list ${folder}`);
    }
  }

  async append(
    path: string,
    bytes: Uint8Array,
    options: { readonly durable: boolean },
  ): Promise<void> {
    await this.#changing('append', path, async (native) => {
      await this.#durable.ensureFolder(dirname(native));
      await this.#appends.use(native, async (file, size) => {
        await appendWhole(file, bytes, size);
        if (options.durable) await this.#durable.syncFile(file);
        return size + bytes.length;
      });
      if (options.durable) await this.#durable.syncName(native);
    });
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    await this.#changing('replace', path, (native) =>
      this.#install(native, (file) => writeWhole(file, bytes)),
    );
  }

  async sync(path: string): Promise<void> {
    await this.#changing('sync', path, async (native) => {
      await this.#withFile(native, O_RDWR, (file) => this.#durable.syncFile(file));
      await this.#durable.syncName(native);
    });
  }

  async truncate(path: string, bytes: number): Promise<void> {
    await this.#changing('truncate', path, async (native) => {
      await this.#withFile(native, O_RDWR, async (file) => {
        // ftruncate would also lengthen, and a hole of zeros is nothing anybody wrote.
        if ((await file.stat()).size > bytes) await file.truncate(bytes);
        await this.#durable.syncFile(file);
      });
      await this.#durable.syncName(native);
    });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#changing('rename', to, async (native) => {
      const source = this.nativePath(from);
      if (source === native) return;
      await this.#appends.close(source);
      await this.#durable.ensureFolder(dirname(native));
      await this.#calls.rename(source, native);
      // Two links of one file: POSIX rename then does nothing at all and leaves the old name.
      await this.#calls.rm(source, { force: true });
      this.#durable.forget(source);
      // The new name first: a cut in between shows the file twice, never not at all.
      await this.#durable.syncFolder(dirname(native));
      if (dirname(source) !== dirname(native)) await this.#durable.syncFolder(dirname(source));
    });
  }

  async link(from: string, to: string): Promise<'linked' | 'copied'> {
    return this.#changing('link', to, async (native) => {
      await this.#durable.ensureFolder(dirname(native));
      try {
        await this.#calls.link(this.nativePath(from), native);
      } catch (error) {
        const errno = errnoOf(error) ?? '';
        if (linkRefusals.has(errno)) {
          await this.#copyTo(from, native);
          return 'copied';
        }
        if (errno !== 'EEXIST') throw error;
      }
      await this.#durable.syncName(native);
      return 'linked';
    });
  }

  async copy(from: string, to: string): Promise<void> {
    await this.#changing('copy', to, (native) => this.#copyTo(from, native));
  }

  async remove(path: string): Promise<void> {
    await this.#changing('remove', path, async (native) => {
      await this.#calls.rm(native, { recursive: true, force: true });
      this.#durable.forget(native);
      try {
        await this.#durable.syncFolder(dirname(native));
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    });
  }

  async freeBytes(): Promise<number> {
    try {
      const { bavail, bsize } = await this.#calls.statfs(this.#root);
      return bavail * bsize;
    } catch (error) {
      throw diskError(error, 'free space');
    }
  }

  nativePath(path: string): string {
    return join(this.#root, ...diskPathParts(path));
  }

  /** Read and write, not `copyFile`: a reflink would share the very blocks whose loss the copy is for. */
  async #copyTo(from: string, native: string): Promise<void> {
    await this.#withFile(this.nativePath(from), O_RDONLY, (source) =>
      this.#install(native, async (target) => {
        for (let at = 0; ; ) {
          const chunk = await readFully(source, at, limits.diskCopyChunkBytes);
          if (chunk.length === 0) return;
          await writeWhole(target, chunk);
          at += chunk.length;
        }
      }),
    );
  }

  /** Temp in the same folder, fsync, rename, fsync the folder: a reader sees the old file or the new one. */
  async #install(native: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
    const folder = dirname(native);
    const temporary = join(folder, `${temporaryPrefix}${basename(native)}`);
    await this.#durable.ensureFolder(folder);
    try {
      await this.#withFile(temporary, O_WRONLY | O_CREAT | O_TRUNC, async (file) => {
        await write(file);
        await this.#durable.syncFile(file);
      });
      await this.#calls.rename(temporary, native);
    } catch (error) {
      // Give the space back; if even that fails, the next replace of this name overwrites the rest.
      await this.#calls.rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await this.#durable.syncFolder(folder);
  }

  async #reading<T>(
    path: string,
    read: (file: FileHandle, size: number) => Promise<T>,
  ): Promise<T | undefined> {
    const native = this.nativePath(path);
    try {
      return await this.#withFile(native, O_RDONLY, async (file) => {
        const found = await file.stat();
        if (!found.isFile()) throw new Error('not a file');
        return read(file, found.size);
      });
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw diskError(error, `read ${path}`);
    }
  }

  async #changing<T>(
    action: string,
    path: string,
    change: (native: string) => Promise<T>,
  ): Promise<T> {
    const native = this.nativePath(path);
    try {
      return await this.#locks.run(native, async () => {
        // Whatever else changes the path, or one above it, may leave the open file without a name.
        if (action !== 'append') await this.#appends.close(native);
        return change(native);
      });
    } catch (error) {
      throw diskError(error, `${action} ${path}`);
    }
  }

  async #withFile<T>(
    native: string,
    flags: number,
    use: (file: FileHandle) => Promise<T>,
  ): Promise<T> {
    const file = await this.#calls.open(native, flags | O_NOFOLLOW, 0o600);
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  }
}

async function readFully(file: FileHandle, from: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, from + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled === length ? bytes : bytes.slice(0, filled);
}

async function writeWhole(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at);
    at += bytesWritten;
  }
}

/** A short write (disk full) is undone, or every later record would stand behind a torn one. */
async function appendWhole(file: FileHandle, bytes: Uint8Array, size: number): Promise<void> {
  try {
    await writeWhole(file, bytes);
  } catch (error) {
    await file.truncate(size);
    throw error;
  }
}
