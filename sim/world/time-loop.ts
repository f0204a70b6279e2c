import { foreignWork, realTurn } from './real-turn.ts';
import type { WorldTime } from './sim-clock.ts';

/** The world cannot go on; `waiters` says who waits for what. */
export class WorldStalled extends Error {
  readonly waiters: readonly string[];

  constructor(reason: string, waiters: readonly string[]) {
    super(`${reason}; waiting: ${waiters.length === 0 ? 'nobody' : waiters.join(', ')}`);
    this.name = 'WorldStalled';
    this.waiters = waiters;
  }
}

export interface RunLimits {
  /** World time at which the run gives up. */
  readonly untilMs?: number;
  /** Events in one instant before it counts as a loop that never waits. */
  readonly eventsPerInstantMax?: number;
}

/**
 * INVARIANTS: time moves only when the microtask queue has drained (one real turn); one event runs per turn, so what
 * an event set off is finished before the next one; while held work is under way the world stands still; work of the
 * machine that was neither held nor there before fails the run, for its end would fall at a random instant.
 */
export class TimeLoop {
  readonly #time: WorldTime;
  readonly #tasks = new Map<Promise<unknown>, string>();
  #failure: { readonly name: string; readonly cause: unknown } | undefined;
  readonly #held = new Map<Promise<unknown>, string>();
  /** What the test runner or a module loader had under way at the start; from turn to turn only less is tolerated. */
  #foreignMax = foreignWork().length;

  constructor(time: WorldTime) {
    this.#time = time;
  }

  /** Names a task of the world, so that a stalled run can say who waits. Its failure fails the run. */
  track<T>(name: string, task: Promise<T>): Promise<T> {
    this.#follow(this.#tasks, name, task);
    return task;
  }

  /** Lets the world stand still until real work is done, such as a real inference from memory. */
  hold<T>(name: string, work: Promise<T>): Promise<T> {
    this.#follow(this.#held, name, work);
    return work;
  }

  /** Runs the world until `goal` settles, and returns or throws what it did. */
  async runUntil<T>(goal: Promise<T>, limits: RunLimits = {}): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    goal.then(settle, settle);
    await this.#run(() => isSettled, limits);
    return goal;
  }

  /** Runs every event up to and including that world time. */
  async runFor(durationMs: number, limits: RunLimits = {}): Promise<void> {
    let isOver = false;
    this.#time.schedule(this.#time.nowMs + durationMs, 'end of run', () => {
      isOver = true;
    });
    await this.#run(() => isOver, limits);
  }

  /** Who has not finished, sorted: tasks by name, then the next deadlines. */
  waiters(): readonly string[] {
    const names = [...this.#held.values(), ...this.#tasks.values()].sort();
    const sleepers = this.#time.pending().slice(0, 10);
    return [...names, ...sleepers.map((event) => `${event.label} until ${event.atMs} ms`)];
  }

  async #run(isOver: () => boolean, limits: RunLimits): Promise<void> {
    const instantMax = limits.eventsPerInstantMax ?? 100_000;
    let eventsInInstant = 0;
    for (;;) {
      await this.#drain();
      if (this.#failure !== undefined) {
        throw new Error(`${this.#failure.name} failed`, { cause: this.#failure.cause });
      }
      if (isOver()) return;
      const next = this.#time.next();
      if (next === undefined) throw this.#stalled('nothing is left to happen');
      if (next.atMs > (limits.untilMs ?? Number.MAX_SAFE_INTEGER)) {
        throw this.#stalled(`not over at ${limits.untilMs ?? 0} ms`);
      }
      eventsInInstant = next.atMs === this.#time.nowMs ? eventsInInstant + 1 : 0;
      if (eventsInInstant > instantMax) {
        throw this.#stalled(`${next.label} never lets time pass beyond ${next.atMs} ms`);
      }
      this.#time.hop();
    }
  }

  async #drain(): Promise<void> {
    await realTurn();
    while (this.#held.size > 0) {
      await Promise.allSettled(this.#held.keys());
      await realTurn();
    }
    const foreign = foreignWork();
    if (foreign.length > this.#foreignMax) {
      throw this.#stalled(`work of the real machine is under way (${foreign.join(', ')})`);
    }
    this.#foreignMax = foreign.length;
  }

  #stalled(reason: string): WorldStalled {
    return new WorldStalled(`at ${this.#time.nowMs} ms: ${reason}`, this.waiters());
  }

  #follow(list: Map<Promise<unknown>, string>, name: string, work: Promise<unknown>): void {
    list.set(work, name);
    const forget = (): void => {
      list.delete(work);
    };
    work.then(forget, (cause: unknown) => {
      forget();
      // The first to fail is the one to look at; what follows is usually its echo.
      this.#failure ??= { name, cause };
    });
  }
}
