import SqliteDatabase, { type Database } from 'better-sqlite3';
import { limits } from '../../../../shared/contracts/limits.ts';
import { type Migration, migrateDatabase } from '../migrations/migrate-database.ts';
import { keepNatives } from './kept-natives.ts';

export interface DatabaseFile {
  readonly path: string;
  readonly migrations: readonly Migration[];
}

/**
 * Opens the one writer and brings the schema up to date. `synchronous=FULL` is said on every open: the library is
 * compiled to fall back to NORMAL on a file that is already in WAL mode, where a power cut may take back commits.
 */
export function openWriter({ path, migrations }: DatabaseFile): Database {
  const database = keepNatives(new SqliteDatabase(path, { timeout: limits.storeBusyTimeoutMs }));
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma(`journal_size_limit = ${limits.storeJournalBytesMax}`);
    migrateDatabase(database, { path, migrations });
    secure(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A reader sees what was committed when its transaction began, and cannot write. */
export function openReader(path: string): Database {
  const database = keepNatives(
    new SqliteDatabase(path, {
      readonly: true,
      fileMustExist: true,
      timeout: limits.storeBusyTimeoutMs,
    }),
  );
  secure(database);
  return database;
}

/** A database in memory, new or from the image of an earlier one. */
export function openMemory(image: Uint8Array | null, migrations: readonly Migration[]): Database {
  const database = keepNatives(
    new SqliteDatabase(image === null ? ':memory:' : Buffer.from(image)),
  );
  migrateDatabase(database, { path: null, migrations });
  secure(database);
  return database;
}

function secure(database: Database): void {
  database.pragma('foreign_keys = ON');
  database.pragma('trusted_schema = OFF');
}
