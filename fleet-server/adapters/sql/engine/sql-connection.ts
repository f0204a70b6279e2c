/** What SQLite can bind and give back; flags are 0 and 1, instants and counters are safe integers. */
export type SqlValue = string | number | null | Uint8Array;

export interface SqlStatement {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
}

export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface SqlResult {
  readonly rows: readonly SqlRow[];
  /** Rows inserted, updated or deleted; 0 for a query. */
  readonly changes: number;
}

/**
 * One connection. Statements run in the order they were given, whether or not the caller waited in between;
 * a statement outside an open transaction is refused, because SQLite may end one by itself (full disk) and
 * what follows would then commit on its own.
 */
export interface SqlConnection {
  execute(statement: SqlStatement): Promise<SqlResult>;
  /** `begin`, `savepoint`, `release`, `rollback to`, `commit`, `rollback`. */
  control(sql: string): Promise<void>;
}

/** A database with one writer and, where the database is a file, readers that see committed state only. */
export interface SqlEngine {
  readonly writer: SqlConnection;
  readonly readers: readonly SqlConnection[];
  /** Writes a whole, consistent copy to a new file. */
  backupTo(path: string): Promise<void>;
  close(): Promise<void>;
}
