import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import { invariant } from '../../../../shared/core/invariant.ts';
import { OperatingError } from '../../../../shared/core/operating-error.ts';

/** One step forward. There is no way back but the backup that was made before it. */
export interface Migration {
  /** `0001-what-it-brings`: four digits, rising by one. */
  readonly name: string;
  readonly statements: readonly string[];
}

/** 'SKEI': tells our files from any other SQLite database. */
const applicationId = 0x534b4549;

export interface MigrationTarget {
  /** Null for a database in memory: there is nothing to copy before a step. */
  readonly path: string | null;
  readonly migrations: readonly Migration[];
}

/**
 * Applies what is missing, each step in one transaction with its number in `user_version`, after a copy beside it of a
 * file that held something. Throws `store-foreign`, `store-too-new` or `store-corrupt` before anything is written.
 */
export function migrateDatabase(database: Database, target: MigrationTarget): void {
  const { path, migrations } = target;
  for (const [index, { name }] of migrations.entries()) {
    invariant(
      /^\d{4}-[a-z0-9-]+$/.test(name) && Number(name.slice(0, 4)) === index + 1,
      `migration ${name} is out of order`,
    );
  }
  const version = checkedVersion(database, migrations.length);
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    // A new file holds nothing that a copy could save.
    if (path !== null && version > 0) copyBefore(database, path, migration.name);
    database.transaction(() => {
      for (const statement of migration.statements) database.exec(statement);
      database.pragma(`application_id = ${applicationId}`);
      database.pragma(`user_version = ${index + 1}`);
    })();
  }
}

function checkedVersion(database: Database, known: number): number {
  const version = Number(database.pragma('user_version', { simple: true }));
  const application = Number(database.pragma('application_id', { simple: true }));
  const tables = Number(database.prepare('select count(*) from sqlite_schema').pluck().get());
  const isEmpty = version === 0 && application === 0 && tables === 0;
  if (!isEmpty && application !== applicationId) {
    throw new OperatingError('store-foreign', 'the file is a database of another program');
  }
  if (version > known) {
    throw new OperatingError(
      'store-too-new',
      `the file is at schema ${version}, this program knows ${known}`,
    );
  }
  const health = database.pragma('quick_check(1)', { simple: true });
  if (health !== 'ok') throw new OperatingError('store-corrupt', String(health));
  return version;
}

/** The copy gets its name only when it is whole and on disk. */
function copyBefore(database: Database, path: string, name: string): void {
  const copy = `${path}.before-${name}`;
  const partial = `${copy}.partial`;
  rmSync(partial, { force: true });
  copyInto(database, partial);
  renameSync(partial, copy);
  syncPath(dirname(copy));
}

export function copyInto(database: Database, path: string): void {
  database.prepare('vacuum into ?').run(path);
  syncPath(path);
}

export function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
