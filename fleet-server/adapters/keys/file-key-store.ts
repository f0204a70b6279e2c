import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createDecoder } from '../../../shared/codec/validator.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { type OnlineKeyFile, OnlineKeyFileSchema } from '../../../shared/contracts/online-key.ts';
import { hexOf, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { type KeyStore, type OnlineRole, onlineRoles } from '../../../shared/ports/key-store.ts';
import type { Signer } from '../../../shared/ports/signer.ts';
import { createSoftwareSigner } from '../../../shared/trust/ed25519.ts';
import { isOfflineKey } from './offline-key-search.ts';
import { SeedSeal } from './online-key-seal.ts';

export interface KeyFolderOptions {
  readonly folder: string;
  /** Opens sealed files; without one only plain files open. */
  readonly passphrase?: string;
}

const decodeKey = createDecoder(OnlineKeyFileSchema, limits.onlineKeyBytesMax);

/**
 * The server's online keys, one file per role. The whole folder is looked at before any key is used: an offline key in
 * it, or one key under two roles, would let a stolen server sign what it must never sign.
 */
export class FileKeyStore implements KeyStore {
  readonly #signers: ReadonlyMap<OnlineRole, Signer>;

  private constructor(signers: ReadonlyMap<OnlineRole, Signer>) {
    this.#signers = signers;
  }

  /**
   * Throws `offline-key-on-server`, `key-in-two-roles`, `key-file-exposed`, `key-unreadable`, and `key-missing` for a
   * role without a file.
   */
  static async open(options: KeyFolderOptions): Promise<FileKeyStore> {
    const signers = new Map<OnlineRole, Signer>();
    const owners = new Map<string, OnlineRole>();
    const seal = new SeedSeal(options.passphrase);
    for (const name of await keyFileNames(options.folder)) {
      const { role, signer } = await openKeyFile(join(options.folder, name), seal);
      const owner = owners.get(signer.keyId);
      if (owner !== undefined) {
        throw new OperatingError('key-in-two-roles', `one key signs ${owner} and ${role}`);
      }
      if (signers.has(role)) {
        throw new OperatingError('key-unreadable', `two files hold the key of ${role}`);
      }
      owners.set(signer.keyId, role);
      signers.set(role, signer);
    }
    const missing = onlineRoles.find((role) => !signers.has(role));
    if (missing !== undefined) {
      throw new OperatingError('key-missing', `${options.folder} has no ${missing} key`);
    }
    return new FileKeyStore(signers);
  }

  signer(role: OnlineRole): Signer {
    const signer = this.#signers.get(role);
    if (signer === undefined) throw new OperatingError('key-missing', `no ${role} key`);
    return signer;
  }
}

/** Makes one key per online role; an existing file is never overwritten (`EEXIST` passes through). */
export async function createOnlineKeys(options: KeyFolderOptions): Promise<void> {
  const { folder, passphrase } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const seal = new SeedSeal(passphrase);
  for (const role of onlineRoles) {
    const seed = randomBytes(32);
    const publicKey = hexOf(createSoftwareSigner(seed).publicKey);
    const secret = seal.seal(seed, { role, publicKey });
    const file: OnlineKeyFile = { format: 'skein-online-key/1', role, publicKey, secret };
    await writeKeyFile(join(folder, `${role}.key.json`), utf8(`${canonicalJson(file)}\n`));
    seed.fill(0);
  }
}

async function writeKeyFile(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function keyFileNames(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  } catch (cause) {
    throw new OperatingError('key-missing', `${folder} cannot be read`, { cause });
  }
}

async function openKeyFile(
  path: string,
  seal: SeedSeal,
): Promise<{ readonly role: OnlineRole; readonly signer: Signer }> {
  const bytes = await readFile(path);
  if (isOfflineKey(bytes)) {
    throw new OperatingError('offline-key-on-server', `${path} holds a root or targets key`);
  }
  if (((await stat(path)).mode & 0o077) !== 0) {
    throw new OperatingError('key-file-exposed', `${path} is open to group or others`);
  }
  const file = decodeKey(bytes);
  if (!file.ok) {
    throw new OperatingError(
      'key-unreadable',
      `${path}: ${file.error.pointer} ${file.error.message}`,
    );
  }
  const { role, publicKey, secret } = file.value;
  const seed = seal.open(secret, file.value);
  const signer = seed === undefined ? undefined : createSoftwareSigner(seed);
  if (signer === undefined || hexOf(signer.publicKey) !== publicKey) {
    throw new OperatingError('key-unreadable', `${path} does not open with this passphrase`);
  }
  return { role, signer };
}
