import { OperatingError } from '../../../shared/core/operating-error.ts';
import type { Store, StoreTx, StoreView } from '../../ports/store.ts';
import { InThreadEngine } from './engine/in-thread-engine.ts';
import type { SqlEngine } from './engine/sql-connection.ts';
import { TransactionQueue } from './engine/transaction-queue.ts';
import { WorkerEngine } from './engine/worker-engine.ts';
import { migrations } from './migrations/migration-list.ts';
import { ReaderPool } from './reader-pool.ts';
import { sqlRepositories } from './sql-repositories.ts';

/** The Store over one SQL engine. */
export class SqlStore implements Store {
  readonly #engine: SqlEngine;
  readonly #queue: TransactionQueue;
  readonly #tx: StoreTx;
  readonly #readers: ReaderPool | null;
  #isClosed = false;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
    this.#queue = new TransactionQueue(engine.writer);
    this.#tx = sqlRepositories(engine.writer);
    this.#readers = engine.readers.length === 0 ? null : new ReaderPool(engine.readers);
  }

  transaction<T>(work: (tx: StoreTx) => Promise<T>): Promise<T> {
    return this.#queue.submit(() => work(this.#tx));
  }

  read<T>(work: (view: StoreView) => Promise<T>): Promise<T> {
    if (this.#readers === null) return this.#queue.submit(() => work(this.#tx));
    if (this.#isClosed) {
      return Promise.reject(new OperatingError('store-closed', 'the store was closed'));
    }
    return this.#readers.read(work);
  }

  /** Writes a whole, consistent copy to a new file while work goes on. */
  backupTo(path: string): Promise<void> {
    return this.#engine.backupTo(path);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#queue.close();
    await this.#readers?.close();
    await this.#engine.close();
  }
}

/** The production store: one file, its own thread, `synchronous=FULL`. */
export async function openFileStore(path: string): Promise<SqlStore> {
  return new SqlStore(await WorkerEngine.open(path));
}

/** The simulator's store: the same adapter in memory, on this thread; promises settle by microtasks alone. */
export interface MemoryStore {
  readonly store: SqlStore;
  /** Ends the store as a power cut would. The image opens as it was after the last commit. */
  readonly crash: () => Uint8Array;
}

export function openMemoryStore(image: Uint8Array | null = null): MemoryStore {
  const engine = new InThreadEngine(image, migrations);
  return { store: new SqlStore(engine), crash: () => engine.crash() };
}
