import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { type FileCalls, realFileCalls } from '../../shared/adapters/disk/file-calls.ts';

const failure = (code: string): Error => Object.assign(new Error(code), { code });

/** Real file-system calls, with the faults a healthy machine cannot show. */
export function faultyFileCalls(): {
  readonly calls: FileCalls;
  fill(bytesLeft: number): void;
  refuseLinks(): void;
  failNextFsync(): void;
  /** What made things durable so far, by last name: `sync f`, `rename .tmp-f f`. */
  readonly steps: string[];
} {
  let bytesLeft = Number.MAX_SAFE_INTEGER;
  let refusesLinks = false;
  let failsFsync = false;

  const steps: string[] = [];

  const intercept = (file: FileHandle, name: string): FileHandle =>
    new Proxy(file, {
      get(target, property) {
        if (property === 'sync') {
          return async () => {
            if (failsFsync) {
              failsFsync = false;
              throw failure('EIO');
            }
            await target.sync();
            steps.push(`sync ${name}`);
          };
        }
        if (property === 'write') {
          return async (bytes: Uint8Array, from: number, length: number) => {
            if (bytesLeft === 0) throw failure('ENOSPC');
            // A full disk takes what still fits and says so: the short write of POSIX.
            const written = await target.write(bytes, from, Math.min(length, bytesLeft));
            bytesLeft -= written.bytesWritten;
            return written;
          };
        }
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });

  return {
    calls: {
      ...realFileCalls,
      open: async (...given) =>
        intercept(await realFileCalls.open(...given), basename(String(given[0]))),
      rename: async (from, to) => {
        await realFileCalls.rename(from, to);
        steps.push(`rename ${basename(String(from))} ${basename(String(to))}`);
      },
      link: async (...given) => {
        if (refusesLinks) throw failure('EPERM');
        await realFileCalls.link(...given);
      },
    },
    steps,
    fill: (bytes) => {
      bytesLeft = bytes;
    },
    refuseLinks: () => {
      refusesLinks = true;
    },
    failNextFsync: () => {
      failsFsync = true;
    },
  };
}
