import { limits } from '../../../shared/contracts/limits.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';

/** One at a time: each publication is signed on top of the one before, and nothing is removed beside it. */
export class PublicationQueue {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Throws `store-busy` when too many wait. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= limits.publishesWaitingMax) {
      throw new OperatingError('store-busy', 'too many publications wait', { retryable: true });
    }
    this.#waiting += 1;
    const run = this.#last.then(work);
    this.#last = run.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await run;
    } finally {
      this.#waiting -= 1;
    }
  }
}
