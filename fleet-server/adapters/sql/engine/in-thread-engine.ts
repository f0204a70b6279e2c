import type { Database } from 'better-sqlite3';
import { OperatingError } from '../../../../shared/core/operating-error.ts';
import { copyInto, type Migration } from '../migrations/migrate-database.ts';
import { openMemory } from './open-database.ts';
import type { SqlConnection, SqlEngine } from './sql-connection.ts';
import { sqlFailureOf, storeError } from './sql-failure.ts';
import { SqliteSession } from './sqlite-session.ts';

/**
 * A database in memory on the caller's own thread. Every promise settles by microtasks alone, so a simulated
 * world can hold time still until they have drained. It has no readers: what was not committed must not be seen,
 * so a read waits its turn behind the writer.
 */
export class InThreadEngine implements SqlEngine {
  readonly writer: SqlConnection;
  readonly readers: readonly SqlConnection[] = [];
  readonly #database: Database;

  constructor(image: Uint8Array | null, migrations: readonly Migration[]) {
    this.#database = openMemory(image, migrations);
    const session = new SqliteSession(this.#database);
    this.writer = {
      execute: async (statement) => this.#guarded(() => session.execute(statement)),
      control: async (sql) => this.#guarded(() => session.control(sql)),
    };
  }

  async backupTo(path: string): Promise<void> {
    this.#guarded(() => copyInto(this.#database, path));
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  /** Ends it as a power cut would, and gives the image of the last committed transaction. */
  crash(): Uint8Array {
    if (this.#database.inTransaction) this.#database.exec('rollback');
    const image = new Uint8Array(this.#database.serialize());
    this.#database.close();
    return image;
  }

  #guarded<T>(work: () => T): T {
    if (!this.#database.open) throw new OperatingError('store-closed', 'the store was closed');
    try {
      return work();
    } catch (error) {
      throw storeError(sqlFailureOf(error));
    }
  }
}
