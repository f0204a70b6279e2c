import { limits } from '../../shared/contracts/limits.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { IdempotentAnswer } from '../core/model/access.ts';
import type { IdempotencyScope } from '../ports/repositories/access-repositories.ts';
import type { Store } from '../ports/store.ts';

export type IdempotencyRefusal = {
  readonly code: 'idempotency-mismatch' | 'idempotency-running' | 'rate-limited';
  readonly message: string;
};

/**
 * Remembers the answers of writes for a day, so that a client that lost an answer can ask again. A key belongs to its
 * principal, method and route; under another request it is a mistake, not a repetition.
 */
export class IdempotencyDesk {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #running = new Set<string>();

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** The kept answer, or null: then the caller runs the request and ends it with `keep` or `forget`. */
  async begin(
    scope: IdempotencyScope,
    requestHash: string,
  ): Promise<Result<IdempotentAnswer | null, IdempotencyRefusal>> {
    const name = nameOf(scope);
    if (this.#running.has(name)) {
      return err({ code: 'idempotency-running', message: 'the first request still runs' });
    }
    if (this.#running.size >= limits.idempotentRunningMax) {
      return err({ code: 'rate-limited', message: 'too many such requests are under way' });
    }
    this.#running.add(name);
    const known = await this.#find(scope, name);
    if (known === null) return ok(null);
    this.#running.delete(name);
    return known.requestHash === requestHash
      ? ok(known)
      : err({ code: 'idempotency-mismatch', message: 'the key was used with another request' });
  }

  async keep(
    scope: IdempotencyScope,
    answer: Pick<IdempotentAnswer, 'requestHash' | 'status' | 'body'>,
  ): Promise<void> {
    const createdAtMs = this.#clock.nowMs();
    try {
      await this.#store.transaction(async (tx) => {
        await tx.idempotency.removeOlder(createdAtMs - limits.idempotencyLifeMs);
        await tx.idempotency.insert({ ...scope, ...answer, createdAtMs });
      });
    } finally {
      this.forget(scope);
    }
  }

  /** The request ended without an answer worth repeating. */
  forget(scope: IdempotencyScope): void {
    this.#running.delete(nameOf(scope));
  }

  async #find(scope: IdempotencyScope, name: string): Promise<IdempotentAnswer | null> {
    try {
      const known = await this.#store.read((view) => view.idempotency.find(scope));
      const isFresh =
        known !== null && known.createdAtMs >= this.#clock.nowMs() - limits.idempotencyLifeMs;
      return isFresh ? known : null;
    } catch (error) {
      this.#running.delete(name);
      throw error;
    }
  }
}

const nameOf = ({ principal, method, route, key }: IdempotencyScope): string =>
  JSON.stringify([principal, method, route, key]);
