import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bytesOfHex, hexOf, utf8 } from '../../../shared/core/bytes.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import type { Random } from '../../../shared/ports/random.ts';

/**
 * Writes a text that only the owner may read. Throws `secret-file-exists`: a secret is never overwritten. On disk
 * before
 * it returns, because what it opens is given away next.
 */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await openNew(path);
  try {
    await file.writeFile(utf8(text));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The 32 secret bytes in a file, drawn and written when it is not there yet. */
export async function ensureSecret(path: string, random: Random): Promise<Uint8Array> {
  const text = await readOptional(path);
  if (text === undefined) {
    const secret = random.bytes(32);
    await writeSecretFile(path, `${hexOf(secret)}\n`);
    return secret;
  }
  if (((await stat(path)).mode & 0o077) !== 0) {
    throw new OperatingError('key-file-exposed', `${path} is open to group or others`);
  }
  const secret = bytesOfHex(text.trim());
  if (secret?.length === 32) return secret;
  throw new OperatingError('key-unreadable', `${path} does not hold 32 bytes in hexadecimal`);
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw new OperatingError('disk-failed', `${path} cannot be read`, { cause });
  }
}

async function openNew(path: string) {
  try {
    return await open(path, 'wx', 0o600);
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST') {
      throw new OperatingError('secret-file-exists', `${path} exists`, { cause });
    }
    throw new OperatingError('disk-failed', `${path} cannot be written`, { cause });
  }
}

const errnoOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;
