import { Worker } from 'node:worker_threads';
import { builtFile } from '../../../../shared/adapters/built-file.ts';
import { limits } from '../../../../shared/contracts/limits.ts';
import { OperatingError } from '../../../../shared/core/operating-error.ts';
import type { SqlConnection, SqlEngine, SqlResult } from './sql-connection.ts';
import { storeError } from './sql-failure.ts';
import type { WorkerAnswer, WorkerRequest, WorkerSetup } from './worker-messages.ts';

interface Waiter {
  readonly resolve: (result: SqlResult) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A database file behind a worker thread.
 *
 * INVARIANTS
 * - Requests reach the worker in the order they were made; those of one turn travel in one message.
 * - Answers come in request order, so the waiters are a plain queue.
 * - When the thread ends, every waiter is rejected and every later request is refused with `store-closed`.
 */
export class WorkerEngine implements SqlEngine {
  readonly writer: SqlConnection;
  readonly readers: readonly SqlConnection[];
  readonly #worker: Worker;
  readonly #waiters: Waiter[] = [];
  readonly #ended: Promise<void>;
  #unsent: WorkerRequest[] = [];
  #isClosed = false;

  private constructor(worker: Worker, readers: number) {
    this.#worker = worker;
    this.writer = this.#connection(0);
    this.readers = Array.from({ length: readers }, (_, i) => this.#connection(i + 1));
    worker.on('message', (answers: readonly WorkerAnswer[]) => this.#settle(answers));
    this.#ended = new Promise((resolve) => {
      worker.on('error', (cause) => this.#fail(cause));
      worker.on('exit', () => {
        this.#fail(null);
        resolve();
      });
    });
  }

  /** Throws what opening threw: `store-foreign`, `store-too-new`, `store-corrupt`, `store-failed`. */
  static async open(path: string): Promise<WorkerEngine> {
    const setup: WorkerSetup = { path, readers: limits.storeReaders };
    const worker = new Worker(builtFile(import.meta.url, './store-worker.ts'), {
      workerData: setup,
      name: 'skein-store',
    });
    const engine = new WorkerEngine(worker, setup.readers);
    // The worker's first message is the answer to a request nobody has to send: whether it could open.
    await new Promise<SqlResult>((resolve, reject) => engine.#waiters.push({ resolve, reject }));
    return engine;
  }

  async backupTo(path: string): Promise<void> {
    await this.#request({ kind: 'backup', path });
  }

  async close(): Promise<void> {
    if (!this.#isClosed) await this.#request({ kind: 'close' });
    await this.#ended;
  }

  #connection(connection: number): SqlConnection {
    return {
      execute: ({ sql, parameters }) =>
        this.#request({ kind: 'execute', connection, sql, parameters }),
      control: async (sql) => {
        await this.#request({ kind: 'control', connection, sql });
      },
    };
  }

  #request(request: WorkerRequest): Promise<SqlResult> {
    if (this.#isClosed) {
      return Promise.reject(new OperatingError('store-closed', 'the store was closed'));
    }
    // At the end of the turn, not of the microtask: a message wakes a thread, which costs more than most statements.
    if (this.#unsent.length === 0) setImmediate(() => this.#send());
    this.#unsent.push(request);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  #send(): void {
    const batch = this.#unsent;
    this.#unsent = [];
    this.#worker.postMessage(batch);
  }

  #settle(answers: readonly WorkerAnswer[]): void {
    for (const [index, waiter] of this.#waiters.splice(0, answers.length).entries()) {
      const answer = answers[index];
      if (answer?.ok === true) waiter.resolve(answer.result);
      else if (answer !== undefined) waiter.reject(storeError(answer.failure));
    }
  }

  #fail(cause: unknown): void {
    this.#isClosed = true;
    const error = new OperatingError('store-closed', 'the store thread has ended', { cause });
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
