import { performance } from 'node:perf_hooks';

/** A timer later than this means that this very thread stood still. */
const latenessMsMax = 20;

/**
 * One timer, armed again and again without allocating. Fires `expired` when it was neither disarmed nor armed again in
 * time, and not before this thread has read what came in: a control thread that stood still must not call a model hung.
 */
export class Deadline {
  #timer: NodeJS.Timeout | undefined;
  #durationMs = 0;
  #armedAtMs = 0;
  #isArmed = false;
  #expired: () => void = () => undefined;

  arm(durationMs: number, expired: () => void): void {
    this.#expired = expired;
    this.#armedAtMs = performance.now();
    this.#isArmed = true;
    if (this.#timer !== undefined && this.#durationMs === durationMs) {
      this.#timer.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#durationMs = durationMs;
    this.#timer = setTimeout(this.#due, durationMs);
    // What is waited for keeps the process alive by itself.
    this.#timer.unref();
  }

  /** The timer may still fire once, into nothing: cheaper than clearing it for each run. */
  disarm(): void {
    this.#isArmed = false;
  }

  /** Ends the timer for good. */
  clear(): void {
    this.#isArmed = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #due = (): void => {
    if (!this.#isArmed) return;
    const armedAtMs = this.#armedAtMs;
    const lateMs = performance.now() - armedAtMs - this.#durationMs;
    const judge = (): void => {
      if (this.#isArmed && this.#armedAtMs === armedAtMs) this.#expired();
    };
    // Messages are read after timers in a turn of the loop; large ones take several turns.
    if (lateMs > latenessMsMax) setTimeout(judge, Math.min(lateMs, this.#durationMs));
    else setImmediate(judge);
  };
}
