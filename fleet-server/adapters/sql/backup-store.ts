import type { Digest } from '../../../shared/core/ids.ts';
import { openReader } from './engine/open-database.ts';
import { sqlFailureOf, storeError } from './engine/sql-failure.ts';
import { copyInto } from './migrations/migrate-database.ts';

/** A blob that the store says it has; what nobody holds may be gone from the folder already. */
export interface ListedBlob {
  readonly digest: Digest;
  readonly isHeld: boolean;
}

/**
 * Writes one consistent copy of a store to a new file, also while a server in another process writes to it: the copy
 * is what was committed when it began.
 */
export function backupStore({ from, to }: { readonly from: string; readonly to: string }): void {
  reading(from, (database) => copyInto(database, to));
}

/**
 * What the folder of blobs beside this store must or may hold, by digest: uploads, bundles, updates of open rounds. An
 * update goes when its round ends, which may be while the backup is taken.
 */
export function listStoredBlobs(path: string): readonly ListedBlob[] {
  return reading(path, (database) =>
    database
      .prepare<[], { readonly digest: Digest; readonly isHeld: number }>(
        `select digest, exists (select 1 from blobHolds where blobHolds.digest = named.digest)
         and not exists (select 1 from blobs where blobs.digest = named.digest
           and blobs.purpose = 'transient') as isHeld from (
           select digest from blobs union select digest from blobHolds
           union select digest from contributions
         ) as named order by digest`,
      )
      .all()
      .map(({ digest, isHeld }) => ({ digest, isHeld: isHeld === 1 })),
  );
}

function reading<T>(path: string, work: (database: ReturnType<typeof openReader>) => T): T {
  let database: ReturnType<typeof openReader> | undefined;
  try {
    database = openReader(path);
    return work(database);
  } catch (error) {
    throw storeError(sqlFailureOf(error));
  } finally {
    database?.close();
  }
}
