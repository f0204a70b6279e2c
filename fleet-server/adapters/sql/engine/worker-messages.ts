import type { SqlResult, SqlValue } from './sql-connection.ts';
import type { SqlFailure } from './sql-failure.ts';

/** One job of a batch; the answers of a batch come back in one message, in the same order. */
export type WorkerRequest =
  | {
      readonly kind: 'execute';
      readonly connection: number;
      readonly sql: string;
      readonly parameters: readonly SqlValue[];
    }
  | { readonly kind: 'control'; readonly connection: number; readonly sql: string }
  | { readonly kind: 'backup'; readonly path: string }
  | { readonly kind: 'close' };

export type WorkerAnswer =
  | { readonly ok: true; readonly result: SqlResult }
  | { readonly ok: false; readonly failure: SqlFailure };

/** What the worker is started with. Connection 0 is the writer. */
export interface WorkerSetup {
  readonly path: string;
  readonly readers: number;
}
