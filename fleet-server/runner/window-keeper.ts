import { limits } from '../../shared/contracts/limits.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Store } from '../ports/store.ts';

export interface WindowKeeperOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly daysKept: number;
}

const dayMs = 86_400_000;

/**
 * Removes sealed telemetry windows that have aged. What they were counted into stays, and so do the marks by which a
 * window that comes again is known as a duplicate, however old it is.
 */
export class WindowKeeper {
  readonly #options: WindowKeeperOptions;

  constructor(options: WindowKeeperOptions) {
    this.#options = options;
  }

  /** Looks from time to time until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (;;) {
      await clock.sleepUntil(clock.monotonicMs() + limits.windowPruneMs, signal);
      if (signal.aborted) return;
      try {
        const windows = await this.prune(signal);
        if (windows > 0)
          log.info({ event: 'windows-pruned', windows }, 'aged windows were removed');
      } catch (error) {
        log.warn({ event: 'windows-not-pruned', code: codeOf(error), error }, 'the next look will');
      }
    }
  }

  /** Batch by batch, with a pause after each, so that no writer waits for more than one. Returns how many went. */
  async prune(signal?: AbortSignal): Promise<number> {
    const { store, clock, daysKept } = this.#options;
    const beforeMs = clock.nowMs() - daysKept * dayMs;
    const fleets = await store.read((view) => view.fleets.list());
    let removed = 0;
    for (const { fleet } of fleets) {
      for (;;) {
        if (signal?.aborted === true) return removed;
        const batch = await store.transaction((tx) =>
          tx.windows.removeOlder(fleet, beforeMs, limits.windowPruneBatch),
        );
        removed += batch;
        if (batch < limits.windowPruneBatch) break;
        await clock.sleepUntil(clock.monotonicMs() + limits.windowPrunePauseMs, signal);
      }
    }
    return removed;
  }
}
