import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../shared/core/canonical-json.ts';
import { err, type Result } from '../../shared/core/result.ts';
import type { Root, SignedFile } from '../../shared/trust/tuf/metadata.ts';
import { verifyFirstRoot } from '../../shared/trust/tuf/verify-metadata.ts';
import { decodeKeyFile, type KeyFile, type OfflineRole } from './key-file.ts';

/** The operator's own folder: sealed key shares, proposals under way, and what was published last. */
export interface Workspace {
  readonly folder: string;
}

export const keyPath = (home: Workspace, role: OfflineRole, holder: string): string =>
  join(home.folder, 'keys', `${role}-${holder}.key.json`);

/** The half of a share that travels: hexadecimal, on one line. */
export const publicKeyPath = (home: Workspace, role: OfflineRole, holder: string): string =>
  join(home.folder, 'keys', `${role}-${holder}.pub`);

export const proposalPath = (home: Workspace, role: string): string =>
  join(home.folder, 'proposals', `${role}.json`);

/** The root this operator trusts; a base older than it is refused. */
export const trustedRootPath = (home: Workspace): string =>
  join(home.folder, 'trusted', 'root.json');

/** `undefined` when the file is absent; every other failure throws. */
export async function readOptional(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Temp in the same folder, fsync, rename; `exclusive` refuses to replace, because a lost key share
 * cannot be made again.
 */
export async function writeDurably(
  path: string,
  bytes: Uint8Array,
  options: { readonly mode?: number; readonly exclusive?: boolean } = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const target = options.exclusive === true ? path : `${path}.tmp`;
  const file = await open(target, options.exclusive === true ? 'wx' : 'w', options.mode ?? 0o644);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  if (target !== path) await rename(target, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export const jsonBytes = (value: Json): Uint8Array => utf8(`${canonicalJson(value)}\n`);

export async function readKeyFile(path: string): Promise<Result<KeyFile, string>> {
  const bytes = await readOptional(path);
  if (bytes === undefined) return err(`no key file ${path}`);
  const decoded = decodeKeyFile(bytes);
  return decoded.ok ? decoded : err(`${path}: ${decoded.error.pointer} ${decoded.error.message}`);
}

export async function readTrustedRoot(home: Workspace): Promise<SignedFile<Root> | undefined> {
  const bytes = await readOptional(trustedRootPath(home));
  if (bytes === undefined) return undefined;
  const verified = verifyFirstRoot(bytes);
  if (!verified.ok) throw new Error(`${trustedRootPath(home)}: ${verified.error.message}`);
  return verified.value;
}
