import type { Clock } from '../../shared/ports/clock.ts';

/** 25 inferences a second of one device. */
const intervalMsMin = 40;
const intervalMsMax = 200;
/** Later than this, timers say that the machine is full. */
const lagMsHigh = 12;
const lagMsLow = 4;
const lookMs = 200;

/** How fast the devices of this process replay: as asked, and slower while the one thread they share is late. */
export class Pace {
  readonly #clock: Clock;
  #intervalMs = intervalMsMin;
  #counted = 0;
  #lagMs = 0;
  #draws = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get intervalMs(): number {
    return this.#intervalMs;
  }

  get lagMs(): number {
    return this.#lagMs;
  }

  /** Spreads the first turns of the devices over one interval (golden-ratio sequence). */
  jitter(): number {
    this.#draws += 1;
    return (this.#draws * 0.618_033_988_749_895) % 1;
  }

  counted(): void {
    this.#counted += 1;
  }

  /** Inferences since the last call. */
  takeCount(): number {
    const counted = this.#counted;
    this.#counted = 0;
    return counted;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const due = this.#clock.monotonicMs() + lookMs;
      await this.#clock.sleepUntil(due, signal);
      const late = Math.max(0, this.#clock.monotonicMs() - due);
      this.#lagMs = 0.5 * this.#lagMs + 0.5 * late;
      if (this.#lagMs > lagMsHigh) this.#intervalMs *= 1.3;
      else if (this.#lagMs < lagMsLow) this.#intervalMs *= 0.9;
      this.#intervalMs = Math.min(intervalMsMax, Math.max(intervalMsMin, this.#intervalMs));
    }
  }
}
