import { err, ok, type Result } from '../../core/result.ts';
import { type TufFailure, tufFailure } from './failure.ts';
import { startHashCheck } from './file-hash.ts';
import type { TargetFile } from './metadata.ts';

/** Takes one piece of the file; the pieces are worth nothing until `receiveTarget` says so. */
export type WritePart = (bytes: Uint8Array) => Promise<void> | void;

/**
 * 5.7.3: length and hashes while the bytes stream by, cut at the first byte too many. Never write to the final place:
 * the caller publishes what it wrote only on success. Fails with `tuf-target-mismatch`; errors of `body` and `write`
 * pass through.
 */
export async function receiveTarget(
  target: TargetFile,
  body: AsyncIterable<Uint8Array>,
  write: WritePart,
): Promise<Result<TargetFile, TufFailure>> {
  const check = startHashCheck(target.hashes);
  let received = 0;
  for await (const part of body) {
    received += part.length;
    if (received > target.length) return mismatch(target, `more than ${target.length} bytes`);
    check.update(part);
    await write(part);
  }
  if (received !== target.length) {
    return mismatch(target, `${received} bytes of ${target.length}`);
  }
  return check.matches() ? ok(target) : mismatch(target, 'the hash differs');
}

/** Whether bytes at hand are the target: for a cache, and for small targets read whole. */
export function isTarget(target: TargetFile, bytes: Uint8Array): boolean {
  const check = startHashCheck(target.hashes);
  check.update(bytes);
  return bytes.length === target.length && check.matches();
}

const mismatch = (target: TargetFile, message: string): Result<never, TufFailure> =>
  err(tufFailure('tuf-target-mismatch', target.path, message));
