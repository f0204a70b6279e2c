import { limits } from '../../shared/contracts/limits.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import type { Store } from '../ports/store.ts';
import {
  commitWindows,
  type FindPlaces,
  type ReceivedWindow,
  type WindowAck,
} from './commit-windows.ts';

export interface TelemetryPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Publishes `dn/ack`. Must not throw: a lost ack is repaired when the device sends the window again. */
  readonly releaseAck: (ack: WindowAck) => void;
  /** Windows were counted that an open rollout is judged by. */
  readonly counted?: () => void;
  /** Which open rollouts a device's telemetry counts for; by default those it was exposed to. */
  readonly places?: FindPlaces;
}

/**
 * Authenticated windows in, durable counts and acks out.
 *
 * INVARIANTS
 * - A window is acknowledged only after the commit that counted it is on disk; it is counted exactly once however
 *   often it arrives, because mark, counts and bytes are one transaction.
 * - Nothing here survives a crash, and nothing here needs to: what was not acknowledged comes again.
 * - The queue is bounded by number and by bytes; above it the answer is `telemetry-busy` and nothing is kept.
 */
export class TelemetryIntake {
  readonly #ports: TelemetryPorts;
  #queue: ReceivedWindow[] = [];
  #queuedBytes = 0;
  #firstQueuedAtMs = 0;
  #arrived: (() => void) | null = null;
  #gathering: AbortController | null = null;
  /** Acks of committed windows, newest per outbox: as many as there are outboxes at most. */
  readonly #owed = new Map<string, WindowAck>();
  #releasing: Promise<void> = Promise.resolve();
  #isStopping = false;

  constructor(ports: TelemetryPorts) {
    this.#ports = ports;
  }

  /** Takes a window that was authenticated and validated; its ack follows when it is durable. */
  submit(received: ReceivedWindow): Result<void, { readonly code: 'telemetry-busy' }> {
    const isFull =
      this.#queue.length >= limits.telemetryQueueMax ||
      this.#queuedBytes + received.sealed.length > limits.telemetryQueueBytesMax;
    if (isFull || this.#isStopping) {
      this.#ports.metrics.count('skein_window_refusals_total', 1, { code: 'telemetry-busy' });
      return err({ code: 'telemetry-busy' });
    }
    if (this.#queue.length === 0) this.#firstQueuedAtMs = this.#ports.clock.monotonicMs();
    this.#queue.push(received);
    this.#queuedBytes += received.sealed.length;
    this.#arrived?.();
    if (this.#queue.length >= limits.telemetryBatchMax) this.#endGathering();
    return ok(undefined);
  }

  /**
   * Commits batch after batch until `signal` aborts, then what is still queued, and resolves.
   * Throws what a retry cannot help (`store-corrupt`, `store-closed`): the process must end.
   */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => {
      this.#isStopping = true;
      this.#arrived?.();
      this.#endGathering();
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      for (;;) {
        if (this.#queue.length === 0) {
          if (this.#isStopping) break;
          await this.#nextArrival();
        } else {
          await this.#gatherBatch();
          await this.#commit(this.#takeBatch());
        }
      }
      await this.#releasing;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #nextArrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#arrived = resolve;
    });
  }

  /** A batch leaves when it is full or its first window has waited long enough. */
  async #gatherBatch(): Promise<void> {
    const dueAtMs = this.#firstQueuedAtMs + limits.telemetryBatchWaitMs;
    if (this.#isStopping || this.#queue.length >= limits.telemetryBatchMax) return;
    if (this.#ports.clock.monotonicMs() >= dueAtMs) return;
    this.#gathering = new AbortController();
    await this.#ports.clock.sleepUntil(dueAtMs, this.#gathering.signal);
    this.#gathering = null;
  }

  #endGathering(): void {
    // The reason is given because the default one is an exception with a stack, made for every window.
    this.#gathering?.abort('full');
    this.#gathering = null;
  }

  #takeBatch(): readonly ReceivedWindow[] {
    const batch = this.#queue.slice(0, limits.telemetryBatchMax);
    this.#queue = this.#queue.slice(limits.telemetryBatchMax);
    for (const { sealed } of batch) this.#queuedBytes -= sealed.length;
    return batch;
  }

  async #commit(batch: readonly ReceivedWindow[]): Promise<void> {
    const { store, clock, log, metrics, places } = this.#ports;
    try {
      const outcome = await store.transaction((tx) => commitWindows(tx, batch, places));
      metrics.count('skein_windows_total', outcome.counted);
      if (outcome.isEvidence) this.#ports.counted?.();
      if (outcome.refused > 0) {
        const labels = { code: 'window-too-far-ahead' };
        metrics.count('skein_window_refusals_total', outcome.refused, labels);
      }
      this.#owe(outcome.acks);
    } catch (error) {
      if (!(error instanceof OperatingError) || !error.retryable) throw error;
      // Dropped, not kept: the devices still have these windows and send them again.
      const fields = {
        event: 'windows-not-stored',
        code: error.code,
        windows: batch.length,
        error,
      };
      log.error(fields, 'windows could not be stored; they were not acknowledged');
      metrics.count('skein_window_refusals_total', batch.length, { code: error.code });
      await clock.sleepUntil(clock.monotonicMs() + limits.telemetryRetryMs);
    }
  }

  /** A newer ack of the same outbox takes the place of one that has not left yet. */
  #owe(acks: readonly WindowAck[]): void {
    const isReleasing = this.#owed.size > 0;
    for (const ack of acks) this.#owed.set(`${ack.fleet} ${ack.device} ${ack.ack.outbox}`, ack);
    if (!isReleasing && this.#owed.size > 0) this.#releasing = this.#release();
  }

  /** A bounded number in each turn, while the next batch is already on its way to disk. */
  async #release(): Promise<void> {
    const { clock, releaseAck } = this.#ports;
    for (;;) {
      for (const [outbox, ack] of [...this.#owed].slice(0, limits.acksPerTurnMax)) {
        this.#owed.delete(outbox);
        releaseAck(ack);
      }
      if (this.#owed.size === 0) return;
      // A millisecond, because a deadline that has passed may resolve within this same turn.
      await clock.sleepUntil(clock.monotonicMs() + 1);
    }
  }
}
