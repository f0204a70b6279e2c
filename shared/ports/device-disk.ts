/**
 * The files of one device, below one root folder. Paths are relative, `/`-separated, checked against
 * `^[A-Za-z0-9._@/-]+$` without empty, `.` or `..` parts. A failed fsync ends the process (production) or the
 * virtual process (simulator), because the page cache can no longer be believed.
 */
export interface DeviceDisk {
  /** Whole file, or `undefined` when absent. Throws `file-too-large` above `bytesMax`. */
  read(path: string, options: { readonly bytesMax: number }): Promise<Uint8Array | undefined>;
  /** Bytes `[from, from + length)`, shorter at the end of the file; `undefined` when absent. */
  readRange(
    path: string,
    range: { readonly from: number; readonly length: number },
  ): Promise<Uint8Array | undefined>;
  /** Size in bytes, or `undefined` when absent. */
  size(path: string): Promise<number | undefined>;
  /** Names (not paths) in a folder, sorted; empty when the folder is absent. */
  list(folder: string): Promise<readonly string[]>;
  /** Appends; creates file and folders. With `durable`, the bytes and the name survive a power cut once resolved. */
  append(path: string, bytes: Uint8Array, options: { readonly durable: boolean }): Promise<void>;
  /** Whole-file atomic replacement: temp in the same folder, fsync, rename, fsync the folder. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /** Makes what was appended before durable. */
  sync(path: string): Promise<void>;
  /** Cuts the file to `bytes`; durable when resolved. */
  truncate(path: string, bytes: number): Promise<void>;
  /** Atomic rename inside the root; durable when resolved. Replaces the destination. */
  rename(from: string, to: string): Promise<void>;
  /** Hard link, or a copy where links do not work; durable when resolved. An existing destination is kept. */
  link(from: string, to: string): Promise<'linked' | 'copied'>;
  /** An independent durable copy, for last-good redundancy. */
  copy(from: string, to: string): Promise<void>;
  /** Removes a file or a whole folder; absent is fine. Durable when resolved. */
  remove(path: string): Promise<void>;
  freeBytes(): Promise<number>;
  /** Absolute path for a native library that opens files itself. The simulator's disk returns a virtual one. */
  nativePath(path: string): string;
}
