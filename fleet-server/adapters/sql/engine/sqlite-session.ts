import type { Database, Statement } from 'better-sqlite3';
import { limits } from '../../../../shared/contracts/limits.ts';
import { OperatingError } from '../../../../shared/core/operating-error.ts';
import type { SqlResult, SqlRow, SqlStatement, SqlValue } from './sql-connection.ts';

type Prepared = Statement<SqlValue[], Record<string, SqlValue>>;

/** One open database handle with its prepared statements, least recently used first. */
export class SqliteSession {
  readonly #database: Database;
  readonly #prepared = new Map<string, Prepared>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Throws SQLite's error, or `store-no-transaction` when none is open. */
  execute(statement: SqlStatement): SqlResult {
    this.#requireTransaction();
    const prepared = this.#prepare(statement.sql);
    const parameters = [...statement.parameters];
    if (!prepared.reader) return { rows: [], changes: prepared.run(...parameters).changes };
    const rows = prepared.all(...parameters);
    for (const row of rows) plainBytes(row);
    return { rows, changes: prepared.readonly ? 0 : rows.length };
  }

  control(sql: string): void {
    // Outside a transaction SQLite takes a savepoint for `begin` and its release for `commit`.
    if (sql.startsWith('savepoint')) this.#requireTransaction();
    this.#database.exec(sql);
  }

  #requireTransaction(): void {
    if (this.#database.inTransaction) return;
    throw new OperatingError('store-no-transaction', 'the transaction had ended by itself');
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) {
      this.#prepared.delete(sql);
      this.#prepared.set(sql, known);
      return known;
    }
    const fresh = this.#database.prepare<SqlValue[], Record<string, SqlValue>>(sql);
    this.#prepared.set(sql, fresh);
    if (this.#prepared.size > limits.storePreparedStatementsMax) {
      const [oldest] = this.#prepared.keys();
      if (oldest !== undefined) this.#prepared.delete(oldest);
    }
    return fresh;
  }
}

/** Both engines give plain byte arrays: a Buffer would arrive as one from the worker and not from here. */
function plainBytes(row: Record<string, SqlValue>): SqlRow {
  for (const [column, value] of Object.entries(row)) {
    if (Buffer.isBuffer(value)) {
      row[column] = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    }
  }
  return row;
}
