import { limits } from '../../shared/contracts/limits.ts';
import type { Clock } from '../../shared/ports/clock.ts';

/** Ends one transfer when its caller calls it off or it crawls; `stop()` must follow in every case. */
export class TransferWatch {
  readonly #clock: Clock;
  readonly #cut = new AbortController();
  readonly #over = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #callOff = (): void => this.#cut.abort();
  #bytes = 0;
  isTooSlow = false;

  constructor(clock: Clock, caller: AbortSignal | undefined) {
    this.#clock = clock;
    this.#caller = caller;
    caller?.addEventListener('abort', this.#callOff);
    if (caller?.aborted === true) this.#cut.abort();
    void this.#watchSpeed();
  }

  /** Goes to the Fetcher. */
  get signal(): AbortSignal {
    return this.#cut.signal;
  }

  moved(bytes: number): void {
    this.#bytes += bytes;
  }

  stop(): void {
    this.#over.abort();
    this.#caller?.removeEventListener('abort', this.#callOff);
  }

  async #watchSpeed(): Promise<void> {
    let moved: number;
    do {
      const before = this.#bytes;
      const wakeMs = this.#clock.monotonicMs() + limits.blobSpeedWindowMs;
      await this.#clock.sleepUntil(wakeMs, this.#over.signal);
      if (this.#over.signal.aborted) return;
      moved = this.#bytes - before;
    } while (moved >= limits.blobSpeedBytesMin);
    this.isTooSlow = true;
    this.#cut.abort();
  }
}
