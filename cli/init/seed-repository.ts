import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageRepository } from '../../fleet-server/runner/image-repository.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';

/**
 * Brings what a folder repository holds into a server that starts for the first time: fixed targets, then roots and
 * targets in the order of their versions. Repeating it changes nothing. Blobs come by `bundle publish`.
 */
export async function seedRepository(repository: ImageRepository, folder: string): Promise<void> {
  const tuf = join(folder, 'tuf');
  for (const name of (await readdir(join(tuf, 'targets'))).sort()) {
    const bytes = await readFile(join(tuf, 'targets', name));
    const put = await repository.putFixedTarget(name.slice(name.indexOf('.') + 1), bytes);
    if (!put.ok) throw new OperatingError(put.error.code, put.error.message);
  }
  const names = (await readdir(tuf)).filter((name) => /^\d+\.(root|targets)\.json$/.test(name));
  for (const name of names.sort(byRoleAndVersion)) {
    const bytes = await readFile(join(tuf, name));
    const published = await repository.publishMetadata({ name, bytes, actor: 'init' });
    if (!published.ok) throw new OperatingError(published.error.code, published.error.message);
  }
}

/** Roots first: later targets may be signed by keys that only a later root names. */
function byRoleAndVersion(a: string, b: string): number {
  const [left, right] = [a.includes('root'), b.includes('root')];
  if (left !== right) return left ? -1 : 1;
  return Number.parseInt(a) - Number.parseInt(b);
}
