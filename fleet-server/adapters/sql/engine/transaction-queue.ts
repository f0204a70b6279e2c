import { limits } from '../../../../shared/contracts/limits.ts';
import { OperatingError } from '../../../../shared/core/operating-error.ts';
import type { SqlConnection } from './sql-connection.ts';

interface Job {
  readonly work: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Failure = { readonly ok: false; readonly error: unknown };
type Outcome = { readonly ok: true; readonly value: unknown } | Failure;

/**
 * The one writer's queue, with group commit: all that waited while the last commit was on its way to disk
 * shares the next one.
 *
 * INVARIANTS
 * - Work runs one at a time, in the order it was given.
 * - Within a group each work has a savepoint: its failure takes back its own rows and no other's.
 * - Nothing settles before the group's commit is on disk; a commit that fails rejects the whole group.
 */
export class TransactionQueue {
  readonly #connection: SqlConnection;
  readonly #waiting: Job[] = [];
  #draining: Promise<void> | null = null;
  #isClosed = false;

  constructor(connection: SqlConnection) {
    this.#connection = connection;
  }

  submit<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) {
      return Promise.reject(new OperatingError('store-closed', 'the store was closed'));
    }
    if (this.#waiting.length >= limits.storeTransactionsWaitingMax) {
      return Promise.reject(
        new OperatingError('store-busy', 'too many transactions wait', { retryable: true }),
      );
    }
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve: (value) => resolve(value as T), reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Refuses new work and resolves when what was given before has settled. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#draining;
  }

  async #drain(): Promise<void> {
    // One turn of grace lets transactions that start together share their first commit as well.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#runGroup(this.#waiting.splice(0, limits.storeGroupTransactionsMax));
    }
    this.#draining = null;
  }

  /**
   * Control statements that precede or follow work are not waited for: the connection keeps the order and refuses what
   * stands outside a transaction, so a round trip less is the only difference.
   */
  async #runGroup(group: readonly Job[]): Promise<void> {
    const outcomes: Outcome[] = [];
    const controls = [this.#control('begin immediate')];
    for (const { work } of group) {
      controls.push(this.#control('savepoint work'));
      const outcome = await outcomeOf(work);
      if (!outcome.ok) controls.push(this.#control('rollback to work'));
      controls.push(this.#control('release work'));
      outcomes.push(outcome);
      // What a failed work wrote must be gone before anything is committed.
      const lost = outcome.ok ? undefined : failureOf(await Promise.all(controls));
      if (lost !== undefined) return this.#giveUp(group, lost);
    }
    controls.push(this.#control('commit'));
    const lost = failureOf(await Promise.all(controls));
    if (lost !== undefined) return this.#giveUp(group, lost);
    for (const [index, { resolve, reject }] of group.entries()) {
      const outcome = outcomes[index];
      if (outcome?.ok === true) resolve(outcome.value);
      else reject(outcome?.error);
    }
  }

  #control(sql: string): Promise<Outcome> {
    return outcomeOf(() => this.#connection.control(sql));
  }

  async #giveUp(group: readonly Job[], lost: Failure): Promise<void> {
    // May fail: the database may have ended the transaction itself, or be gone.
    await this.#control('rollback');
    for (const { reject } of group) reject(lost.error);
  }
}

const failureOf = (outcomes: readonly Outcome[]): Failure | undefined =>
  outcomes.find((outcome) => !outcome.ok);

async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, error };
  }
}
