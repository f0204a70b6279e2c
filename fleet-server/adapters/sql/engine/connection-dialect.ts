import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { invariant } from '../../../../shared/core/invariant.ts';
import type { SqlConnection, SqlValue } from './sql-connection.ts';

/** Kysely over one connection. Transactions are the queue's business, so Kysely's own are refused. */
export function queriesOver<Schema>(connection: SqlConnection): Kysely<Schema> {
  const dialect: Dialect = {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new ConnectionDriver(connection),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
  return new Kysely<Schema>({ dialect });
}

class ConnectionDriver implements Driver {
  readonly #connection: DatabaseConnection;

  constructor(connection: SqlConnection) {
    this.#connection = {
      executeQuery: async <R>(query: CompiledQuery): Promise<QueryResult<R>> => {
        const parameters = query.parameters as readonly SqlValue[];
        const { rows, changes } = await connection.execute({ sql: query.sql, parameters });
        return { rows: rows as R[], numAffectedRows: BigInt(changes) };
      },
      streamQuery: () => {
        throw new Error('lists are read in pages, not streamed');
      },
    };
  }

  async init(): Promise<void> {
    await Promise.resolve();
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }

  async beginTransaction(): Promise<void> {
    invariant(false, 'transactions go through Store.transaction');
  }

  async commitTransaction(): Promise<void> {
    invariant(false, 'transactions go through Store.transaction');
  }

  async rollbackTransaction(): Promise<void> {
    invariant(false, 'transactions go through Store.transaction');
  }

  async releaseConnection(): Promise<void> {
    await Promise.resolve();
  }

  async destroy(): Promise<void> {
    await Promise.resolve();
  }
}
