import { limits } from '../../shared/contracts/limits.ts';
import type { FleetId } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { FleetEvent } from '../core/model/fleet-event.ts';
import type { Store } from '../ports/store.ts';

/** What a follower is handed: events in order, a sign that some are gone for ever, or a sign of life. */
export type StreamPart =
  | { readonly kind: 'events'; readonly events: readonly FleetEvent[] }
  | { readonly kind: 'gap'; readonly oldest: number }
  | { readonly kind: 'heartbeat' };

export interface Followed {
  readonly parts: AsyncIterable<StreamPart>;
}

/**
 * Follows a fleet's events from the store itself, so a follower that comes back after any restart misses nothing
 * that is
 * still kept. Its memory is one number.
 */
export class EventStream {
  readonly #store: Store;
  readonly #clock: Clock;
  #followers = 0;

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  async list(fleet: FleetId, page: { readonly after?: number; readonly limit: number }) {
    return this.#store.read((view) => view.events.list(fleet, page));
  }

  /** `after`: id of the last event seen; undefined follows from now on. Ends when the signal aborts. */
  follow(
    fleet: FleetId,
    options: { readonly after: number | undefined; readonly signal: AbortSignal },
  ): Result<Followed, { readonly code: 'streams-exhausted'; readonly message: string }> {
    if (this.#followers >= limits.eventStreamsMax) {
      const message = `${this.#followers} event streams are open`;
      return err({ code: 'streams-exhausted', message });
    }
    this.#followers += 1;
    return ok({ parts: this.#parts(fleet, options) });
  }

  async *#parts(
    fleet: FleetId,
    { after, signal }: { readonly after: number | undefined; readonly signal: AbortSignal },
  ): AsyncGenerator<StreamPart> {
    try {
      const range = await this.#store.read((view) => view.events.range(fleet));
      let seen = after ?? range?.newest ?? 0;
      // Ids rise over all fleets: whether the events between were this fleet's is no longer known, so it is said.
      if (after !== undefined && after > 0 && range !== null && after < range.oldest) {
        yield { kind: 'gap', oldest: range.oldest };
      }
      let beatAtMs = this.#clock.monotonicMs() + limits.eventHeartbeatMs;
      while (!signal.aborted) {
        const events = await this.list(fleet, { after: seen, limit: limits.eventBatchMax });
        seen = events.at(-1)?.id ?? seen;
        if (events.length > 0) yield { kind: 'events', events };
        const nowMs = this.#clock.monotonicMs();
        if (nowMs >= beatAtMs) {
          beatAtMs = nowMs + limits.eventHeartbeatMs;
          yield { kind: 'heartbeat' };
        }
        if (events.length < limits.eventBatchMax) {
          await this.#clock.sleepUntil(nowMs + limits.eventPollMs, signal);
        }
      }
    } finally {
      this.#followers -= 1;
    }
  }
}
