import type { Clock } from '../../../shared/ports/clock.ts';
import type { ReplayDevice } from './replay-device.ts';

/** 25 inferences a second of each device. */
const intervalMsMin = 40;
const intervalMsMax = 200;
/** Later than this, timers say that the machine is full. */
const lagMsHigh = 12;
const lagMsLow = 4;
const tickMs = 4;
/** Ticks between two looks at the lag. */
const lookEvery = 50;
/** Spreads the first turns over one interval, however many devices come (golden-ratio sequence). */
const golden = 0.618_033_988_749_895;

interface Paced {
  readonly device: ReplayDevice;
  dueMs: number;
}

/** Lets each device take its turn, as fast as asked; slower while the one thread they share is late. */
export class Pace {
  readonly #clock: Clock;
  readonly #paced: Paced[] = [];
  #intervalMs = intervalMsMin;
  #lagMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get intervalMs(): number {
    return this.#intervalMs;
  }

  add(device: ReplayDevice): void {
    const phase = ((this.#paced.length + 1) * golden) % 1;
    this.#paced.push({ device, dueMs: this.#clock.monotonicMs() + this.#intervalMs * phase });
  }

  /** One timer for all devices, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let tickAtMs = this.#clock.monotonicMs();
    for (let ticks = 1; !signal.aborted; ticks += 1) {
      tickAtMs = Math.max(tickAtMs + tickMs, this.#clock.monotonicMs());
      await this.#clock.sleepUntil(tickAtMs, signal);
      const nowMs = this.#clock.monotonicMs();
      this.#lagMs = 0.98 * this.#lagMs + 0.02 * (nowMs - tickAtMs);
      for (const paced of this.#paced) {
        if (paced.dueMs > nowMs) continue;
        // Late by more than one turn: what was missed is not made up for.
        paced.dueMs = Math.max(paced.dueMs + this.#intervalMs, nowMs);
        void paced.device.turn();
      }
      if (ticks % lookEvery === 0) this.#adapt();
    }
  }

  #adapt(): void {
    if (this.#lagMs > lagMsHigh) this.#intervalMs *= 1.3;
    else if (this.#lagMs < lagMsLow) this.#intervalMs *= 0.9;
    this.#intervalMs = Math.min(intervalMsMax, Math.max(intervalMsMin, this.#intervalMs));
  }
}
