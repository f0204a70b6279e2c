import { limits } from '../../shared/contracts/limits.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Store } from '../ports/store.ts';

/** Keeps the newest events of each fleet; what must be known for ever stands in the audit chain. */
export class EventKeeper {
  readonly #ports: { readonly store: Store; readonly clock: Clock; readonly log: Log };

  constructor(ports: { readonly store: Store; readonly clock: Clock; readonly log: Log }) {
    this.#ports = ports;
  }

  /** Looks from time to time until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#ports;
    for (;;) {
      await clock.sleepUntil(clock.monotonicMs() + limits.eventPruneMs, signal);
      if (signal.aborted) return;
      try {
        await this.prune();
      } catch (error) {
        log.warn({ event: 'events-not-pruned', code: codeOf(error), error }, 'the next look will');
      }
    }
  }

  /** A transaction for each fleet, so that no other writer waits for all of them. Returns how many went. */
  async prune(): Promise<number> {
    const { store } = this.#ports;
    const fleets = await store.read((view) => view.fleets.list());
    let removed = 0;
    for (const { fleet } of fleets) {
      removed += await store.transaction((tx) => tx.events.removeOldest(fleet, limits.eventsKept));
    }
    return removed;
  }
}
