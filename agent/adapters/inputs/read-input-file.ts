import { open } from 'node:fs/promises';
import { limits } from '../../../shared/contracts/limits.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';

/** A whole regular file of at most `limits.inputBytesMax`. Throws `file-too-large`, `input-failed`. */
export async function readInputFile(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new OperatingError('input-failed', `${path} cannot be opened`, { cause });
  });
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new OperatingError('input-failed', `${path} is no file`);
    if (facts.size > limits.inputBytesMax) {
      throw new OperatingError('file-too-large', `${path} has ${facts.size} bytes`);
    }
    // It may grow while it is read; what was measured is what is taken.
    const bytes = new Uint8Array(facts.size);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
