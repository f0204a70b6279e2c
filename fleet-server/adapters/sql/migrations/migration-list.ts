import { initialMigration } from './0001-initial.ts';
import { windowsByAgeMigration } from './0002-windows-by-age.ts';
import type { Migration } from './migrate-database.ts';

/** In order; a published migration is never changed, only followed. */
export const migrations: readonly Migration[] = [initialMigration, windowsByAgeMigration];
