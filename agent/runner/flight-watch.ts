import { Doorbell } from '../../shared/core/doorbell.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Random } from '../../shared/ports/random.ts';
import { resendDelayMs } from '../core/outbox/resend-delay.ts';
import type { OutboxWriter } from './outbox-writer.ts';
import type { SpreadWindow } from './spread-window.ts';

export interface FlightWatchOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly outbox: Pick<OutboxWriter, 'backlog' | 'resend'>;
  readonly spread: Pick<SpreadWindow, 'widthMs'>;
}

/**
 * Sends a session's flight again when no acknowledgement came: the server may have been busy, its commit may have
 * failed, or the answer got lost, and none of that ends the session.
 */
export class FlightWatch {
  readonly #options: FlightWatchOptions;
  readonly #bell = new Doorbell();
  #tries = 0;
  #durable: number;
  /** Monotonic; absent while nothing flies. */
  #dueMs: number | undefined;

  constructor(options: FlightWatchOptions) {
    this.#options = options;
    this.#durable = options.outbox.backlog.durable;
  }

  /** Something was sent or received. Only an acknowledgement is progress of a flight that waits already. */
  notice(): void {
    const { inFlight, durable } = this.#options.outbox.backlog;
    const hasMoved = durable > this.#durable;
    this.#durable = durable;
    if (inFlight === 0) this.#dueMs = undefined;
    else if (this.#dueMs === undefined || hasMoved) this.#arm(0);
    this.#bell.ring();
  }

  /** Until the signal aborts, which the end of the session does. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#bell.ring();
    signal.addEventListener('abort', stop, { once: true });
    const { clock } = this.#options;
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      if (this.#dueMs === undefined) await this.#bell.wait();
      else if (clock.monotonicMs() < this.#dueMs) await this.#rest(this.#dueMs);
      else await this.#resend();
    }
  }

  async #rest(dueMs: number): Promise<void> {
    const woken = new AbortController();
    const alarm = this.#options.clock.sleepUntil(dueMs, woken.signal);
    await Promise.race([this.#bell.wait(), alarm]);
    woken.abort();
  }

  async #resend(): Promise<void> {
    const { outbox, log } = this.#options;
    // Before the windows leave: their sending must not begin the wait anew.
    this.#arm(this.#tries + 1);
    try {
      await outbox.resend();
    } catch (error) {
      const fields = { event: 'window-not-sent', code: codeOf(error), error };
      log.warn(fields, 'the windows in flight wait for the next turn');
    }
  }

  #arm(tries: number): void {
    const { clock, random, spread } = this.#options;
    this.#tries = tries;
    const turn = { tries, widthMs: spread.widthMs, unit: random.unit() };
    this.#dueMs = clock.monotonicMs() + resendDelayMs(turn);
  }
}
