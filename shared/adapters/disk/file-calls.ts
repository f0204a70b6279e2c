import * as fs from 'node:fs/promises';

/**
 * The file-system calls the disk makes, as an argument: a recording shim stands here in tests that fail an
 * fsync, fill the disk, or cut the power between any two calls.
 */
export type FileCalls = Pick<
  typeof fs,
  'open' | 'mkdir' | 'rename' | 'link' | 'rm' | 'readdir' | 'stat' | 'lstat' | 'statfs'
>;

export const realFileCalls: FileCalls = fs;
