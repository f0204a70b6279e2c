import { invariant } from '../../../shared/core/invariant.ts';
import type { StoreView } from '../../ports/store.ts';
import type { SqlConnection } from './engine/sql-connection.ts';
import { sqlRepositories } from './sql-repositories.ts';

interface Reader {
  readonly connection: SqlConnection;
  readonly view: StoreView;
}

/** Lends each reading connection to one work at a time; the others wait in order. */
export class ReaderPool {
  readonly #free: Reader[];
  readonly #waiting: ((reader: Reader) => void)[] = [];
  readonly #size: number;
  #closed: (() => void) | null = null;

  constructor(connections: readonly SqlConnection[]) {
    this.#free = connections.map((connection) => ({
      connection,
      view: sqlRepositories(connection),
    }));
    this.#size = connections.length;
  }

  async read<T>(work: (view: StoreView) => Promise<T>): Promise<T> {
    const reader = this.#free.pop() ?? (await this.#wait());
    try {
      // One transaction for all queries: they see one committed state. Neither end of it is waited for: the connection
      // keeps the order and refuses what stands outside a transaction.
      const [begun, done] = await Promise.allSettled([
        reader.connection.control('begin'),
        work(reader.view),
      ]);
      if (begun.status === 'rejected') throw begun.reason;
      void reader.connection.control('rollback').catch(() => undefined);
      if (done.status === 'rejected') throw done.reason;
      return done.value;
    } finally {
      this.#giveBack(reader);
    }
  }

  /** Resolves when every reader is free again. */
  async close(): Promise<void> {
    if (this.#free.length === this.#size) return;
    invariant(this.#closed === null, 'a pool is closed once');
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
  }

  #wait(): Promise<Reader> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #giveBack(reader: Reader): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(reader);
    else this.#free.push(reader);
    if (this.#free.length === this.#size) this.#closed?.();
  }
}
