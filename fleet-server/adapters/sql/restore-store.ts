import { copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { limits } from '../../../shared/contracts/limits.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { openWriter } from './engine/open-database.ts';
import { syncPath } from './migrations/migrate-database.ts';
import { migrations } from './migrations/migration-list.ts';

/**
 * Puts a backup in the place of a store that is gone. Generations that were signed after the backup are unknown to
 * it, so every device has to report what it saw last before anything is signed for it. The gap keeps new orders clear
 * of numbers that the lost server used and the device has not seen yet: an order held back by the network would take
 * the place of the new one.
 * Throws `store-conflict` where a file already is: restoring over a live store is never meant.
 */
export function restoreStore({ from, to }: { readonly from: string; readonly to: string }): void {
  if (existsSync(to)) {
    throw new OperatingError('store-conflict', `${to} exists; move it away first`);
  }
  const partial = `${to}.partial`;
  rmSync(partial, { force: true });
  copyFileSync(from, partial);
  const database = openWriter({ path: partial, migrations });
  database
    .prepare('update devices set needsReport = 1, issuedGeneration = issuedGeneration + ?')
    .run(limits.restoreGenerationGap);
  database.close();
  syncPath(partial);
  renameSync(partial, to);
  syncPath(dirname(to));
}
