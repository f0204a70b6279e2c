import type { Prng } from '../../shared/core/prng.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { LinkFaults, Way } from './link-faults.ts';

/** The wire between one device and the broker; it outlives sessions. */
export class SimLink {
  readonly #clock: Clock;
  readonly #blocked = new Set<Way>();
  #faults: LinkFaults;
  #waiters: (() => void)[] = [];
  /** Counts partitions, so that a watcher can tell one long from two short ones. */
  partitions = 0;

  constructor(clock: Clock, faults: LinkFaults) {
    this.#clock = clock;
    this.#faults = faults;
  }

  get faults(): LinkFaults {
    return this.#faults;
  }

  set faults(faults: LinkFaults) {
    this.#faults = faults;
  }

  isBlocked(way?: Way): boolean {
    return way === undefined ? this.#blocked.size > 0 : this.#blocked.has(way);
  }

  partition(ways: readonly Way[]): void {
    if (this.#blocked.size === 0) this.partitions += 1;
    for (const way of ways) this.#blocked.add(way);
  }

  heal(): void {
    this.#blocked.clear();
    this.wake();
  }

  /** Lets what waits for a partition to heal look again whether its session still lives. */
  wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  /** Resolves when that way is open, or `isAlive` is no more. */
  async opened(way: Way, isAlive: () => boolean): Promise<void> {
    while (this.#blocked.has(way) && isAlive()) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  get clock(): Clock {
    return this.#clock;
  }
}

/** One way of one session: first in, first out as TCP is, but for what the faults reorder. */
export class SimLane {
  readonly #link: SimLink;
  readonly #way: Way;
  readonly #prng: Prng;
  readonly #isAlive: () => boolean;
  #tail: Promise<void> = Promise.resolve();
  #lastAtMs = 0;

  constructor(link: SimLink, way: Way, session: { prng: Prng; isAlive: () => boolean }) {
    this.#link = link;
    this.#way = way;
    this.#prng = session.prng;
    this.#isAlive = session.isAlive;
  }

  happens(rate: number): boolean {
    return rate > 0 && this.#prng.nextUnit() < rate;
  }

  /** Resolves at the far end: `true`, or `false` when the session ended on the way. */
  async carry(): Promise<boolean> {
    // Whoever waited for the partition to heal goes first.
    const before = this.#tail;
    this.#tail = before.then(() => this.#link.opened(this.#way, this.#isAlive));
    await this.#tail;
    const { clock, faults } = this.#link;
    const nowMs = clock.monotonicMs();
    const [least, most] = faults.delayMs;
    let atMs = nowMs + least + (most > least ? this.#prng.nextUnit() * (most - least) : 0);
    if (this.happens(faults.reorderRate)) {
      atMs += this.#prng.nextUnit() * faults.reorderMs;
    } else {
      atMs = Math.max(atMs, this.#lastAtMs);
      this.#lastAtMs = atMs;
    }
    if (atMs > nowMs) await clock.sleepUntil(Math.ceil(atMs));
    return this.#isAlive();
  }
}
