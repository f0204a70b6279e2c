import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { limits } from '../../shared/contracts/limits.ts';
import { bytesOfHex, hexOf } from '../../shared/core/bytes.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import { createSoftwareSigner } from '../../shared/trust/ed25519.ts';

const form = /^skein-device-key\/1 ([0-9a-f]{64})\n$/;

/**
 * The device's identity: an Ed25519 key that is made here, once, and never leaves. Whoever comes second reads what the
 * first has written, so two starts at once agree. Throws `key-file-exposed`, `key-unreadable`.
 */
export async function openDeviceKey(path: string): Promise<Signer> {
  const found = await readKey(path);
  if (found !== undefined) return found;
  await createKey(path);
  const made = await readKey(path);
  if (made === undefined) throw new OperatingError('key-unreadable', `${path} is not there`);
  return made;
}

/** The key of a device that has one; `undefined` otherwise. Throws like `openDeviceKey`. */
export async function readKey(path: string): Promise<Signer | undefined> {
  const facts = await stat(path).catch(absent);
  if (facts === undefined) return undefined;
  if ((facts.mode & 0o077) !== 0) {
    throw new OperatingError('key-file-exposed', `${path} is open to group or others`);
  }
  if (facts.size > limits.deviceKeyBytesMax) {
    throw new OperatingError('key-unreadable', `${path} is too large for a key`);
  }
  const seed = bytesOfHex(form.exec(await readFile(path, 'utf8'))?.[1] ?? '');
  if (seed?.length !== 32) throw new OperatingError('key-unreadable', `${path} holds no key`);
  const signer = createSoftwareSigner(seed);
  seed.fill(0);
  return signer;
}

/** A whole file under a name of its own, then a link that fails when the key exists: never half a key, never two. */
async function createKey(path: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const seed = randomBytes(32);
  const temporary = join(folder, `.device-key-${hexOf(randomBytes(8))}`);
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`skein-device-key/1 ${hexOf(seed)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path).catch(unlessThere);
  } finally {
    seed.fill(0);
    await rm(temporary, { force: true });
  }
  await syncFolder(folder);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const errnoOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

function absent(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
  return undefined;
}

function unlessThere(error: unknown): void {
  if (errnoOf(error) !== 'EEXIST') throw error;
}
