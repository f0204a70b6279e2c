import { invariant } from '../../shared/core/invariant.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import { EventHeap, type HeapEvent } from './event-heap.ts';

/** The one true time of a world: it hops from deadline to deadline and nothing happens in between. */
export class WorldTime {
  /** Wall time at world time 0: 2026-01-01T00:00Z unless the scenario says otherwise. */
  readonly startWallMs: number;
  readonly #heap = new EventHeap();
  #nowMs = 0;

  constructor(startWallMs = 1_767_225_600_000) {
    this.startWallMs = startWallMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` at that world time, or as the next event of this instant when it has passed. */
  schedule(atMs: number, label: string, run: () => void): () => void {
    invariant(!Number.isNaN(atMs), `an event without a time, asked for by ${label}`);
    return this.#heap.push({ atMs: Math.max(atMs, this.#nowMs), label, run });
  }

  next(): HeapEvent | undefined {
    return this.#heap.peek();
  }

  pending(): readonly HeapEvent[] {
    return this.#heap.pending();
  }

  /** Hops to the next event and runs it. Only the time loop calls this, once the microtasks have drained. */
  hop(): HeapEvent | undefined {
    const event = this.#heap.pop();
    if (event === undefined) return undefined;
    this.#nowMs = event.atMs;
    event.run();
    return event;
  }
}

/** What is wrong with one node's clock, as data. */
export interface ClockFaults {
  /** Wall clock ahead of the world (negative: behind). No battery: minus the time since 1970. */
  readonly skewMs: number;
  /** Both clocks run fast by this many parts per million. A bad crystal has 100. */
  readonly driftPpm: number;
  /** The wall clock is set, as by NTP or by a person; the monotonic clock does not notice. */
  readonly jumps: readonly { readonly atWorldMs: number; readonly byMs: number }[];
}

export const soundClock: ClockFaults = { skewMs: 0, driftPpm: 0, jumps: [] };

/** One node's two clocks. Its monotonic clock starts at zero with the node, as a device's does at boot. */
export class SimClock implements Clock {
  readonly #time: WorldTime;
  readonly #name: string;
  readonly #faults: ClockFaults;
  readonly #rate: number;
  readonly #bootWorldMs: number;

  constructor(time: WorldTime, name: string, faults: ClockFaults = soundClock) {
    this.#time = time;
    this.#name = name;
    this.#faults = faults;
    this.#rate = 1 + faults.driftPpm / 1_000_000;
    this.#bootWorldMs = time.nowMs;
  }

  nowMs(): number {
    const worldMs = this.#time.nowMs;
    let wallMs = this.#time.startWallMs + worldMs * this.#rate + this.#faults.skewMs;
    for (const jump of this.#faults.jumps) if (jump.atWorldMs <= worldMs) wallMs += jump.byMs;
    return Math.floor(wallMs);
  }

  monotonicMs(): number {
    return this.#monotonicAt(this.#time.nowMs);
  }

  sleepUntil(deadlineMonotonicMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const cancel = this.#time.schedule(this.#worldAt(deadlineMonotonicMs), this.#name, finish);
      signal?.addEventListener('abort', finish);
    });
  }

  #monotonicAt(worldMs: number): number {
    return Math.floor((worldMs - this.#bootWorldMs) * this.#rate);
  }

  /** The first world millisecond at which this clock shows the deadline: rounding must never wake too early. */
  #worldAt(deadlineMs: number): number {
    let worldMs = this.#bootWorldMs + Math.floor(deadlineMs / this.#rate);
    while (this.#monotonicAt(worldMs) < deadlineMs) worldMs += 1;
    return worldMs;
  }
}
