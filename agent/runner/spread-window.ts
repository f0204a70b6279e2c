import { limits } from '../../shared/contracts/limits.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { AgentMemory } from './agent-memory.ts';

export interface SpreadWindowOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly memory: Pick<AgentMemory, 'jitterMs'>;
}

/**
 * No herds (architecture, section 7): what makes many devices act at once is spread over a window that the server
 * chooses and this device remembers. A device that never had a session knows of no window and waits for nothing.
 */
export class SpreadWindow {
  readonly #options: SpreadWindowOptions;
  #placeMs = 0;

  constructor(options: SpreadWindowOptions) {
    this.#options = options;
  }

  /** Milliseconds, bounded: a server must not be able to silence its fleet for days. */
  get widthMs(): number {
    return Math.min(this.#options.memory.jitterMs ?? 0, limits.jitterMsMax);
  }

  /** Uniform over the window, but over no more than `ceilingMs`. */
  drawMs(ceilingMs = Number.POSITIVE_INFINITY): number {
    const spanMs = Math.max(0, Math.min(this.widthMs, ceilingMs));
    return spanMs === 0 ? 0 : this.#options.random.unit() * spanMs;
  }

  /**
   * An order came, as it came to many: what it makes this device send waits for a place in the window. A place that is
   * still ahead stays, or a stream of orders would put it off for ever.
   */
  takePlace(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#placeMs <= nowMs) this.#placeMs = nowMs + this.drawMs();
  }

  /** Monotonic instant before which an order makes this device neither report nor fetch. */
  get placeMs(): number {
    return this.#placeMs;
  }
}
