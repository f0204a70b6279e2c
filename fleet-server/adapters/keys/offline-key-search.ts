import type { Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseStrictJson } from '../../../shared/codec/validator.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';

/**
 * What others wrote here over the network: content-addressed blobs, and the folders of candidates under way. Nobody
 * puts a key there by mistake, and an upload must not decide whether the server starts.
 */
const notOurs: ReadonlySet<string> = new Set(['blobs', 'candidates']);

/**
 * Looks at every small file below the server's data folder, whatever it is called: a root or targets share that was
 * copied here would let a stolen server sign programs. Throws `offline-key-on-server` with its place, and
 * `data-folder-crowded` where there is more than can be looked at, because a search that gives up finds nothing.
 */
export async function refuseOfflineKeys(data: string): Promise<void> {
  let seen = 0;
  let level: readonly string[] = [''];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limits.dataFolderDepthMax) throw crowded(data, level[0] ?? '');
    const below: string[] = [];
    for (const folder of level) {
      for (const entry of await entriesOf(join(data, folder))) {
        seen += 1;
        if (seen > limits.dataFolderEntriesMax) throw crowded(data, folder);
        const place = join(folder, entry.name);
        if (entry.isDirectory()) {
          if (folder !== '' || !notOurs.has(entry.name)) below.push(place);
        } else if (await holdsOfflineKey(join(data, place))) {
          throw new OperatingError(
            'offline-key-on-server',
            `${join(data, place)} holds a root or targets key`,
          );
        }
      }
    }
    level = below;
  }
}

/** By its format or its role, whatever else is wrong with the content. */
export function isOfflineKey(bytes: Uint8Array): boolean {
  // Also inside of something else: an archive, a list of shares, a mail.
  if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('"skein-offline-key/')) {
    return true;
  }
  const parsed = parseStrictJson(bytes);
  const value = parsed.ok ? parsed.value : undefined;
  if (typeof value !== 'object' || value === null) return false;
  const { role } = value as { readonly role?: unknown };
  return role === 'root' || role === 'targets';
}

/** A link counts as what it leads to; what is no file, or too large for a share, is passed over. */
async function holdsOfflineKey(path: string): Promise<boolean> {
  try {
    const facts = await stat(path);
    if (!facts.isFile() || facts.size > limits.offlineKeySearchBytesMax) return false;
    return isOfflineKey(await readFile(path));
  } catch (cause) {
    // The database's side files come and go.
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false;
    throw new OperatingError('key-unreadable', `${path} cannot be looked at`, { cause });
  }
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new OperatingError('key-unreadable', `${folder} cannot be looked at`, { cause });
  }
}

const crowded = (data: string, folder: string): OperatingError =>
  new OperatingError(
    'data-folder-crowded',
    `${join(data, folder)}: more than ${limits.dataFolderEntriesMax} files or ${limits.dataFolderDepthMax} levels`,
  );
