import { describe, expect, test } from 'vitest';
import type { Clock } from '../../shared/ports/clock.ts';

export interface ClockUnderTest {
  readonly clock: Clock;
  /** Lets time pass until the promise settles. */
  readonly run: <T>(promise: Promise<T>) => Promise<T>;
}

/** What every Clock promises; durations are not asserted, only orders and bounds. */
export function clockSuite(name: string, open: () => ClockUnderTest): void {
  describe(`Clock: ${name}`, () => {
    test('when a sleep ends, the monotonic clock has reached its deadline', async () => {
      const { clock, run } = open();
      const deadlineMs = clock.monotonicMs() + 7.3;
      await run(clock.sleepUntil(deadlineMs));
      expect(clock.monotonicMs()).toBeGreaterThanOrEqual(deadlineMs);
    });

    test('when the deadline has passed, the sleep ends at once', async () => {
      const { clock, run } = open();
      const beforeMs = clock.monotonicMs();
      await run(clock.sleepUntil(beforeMs - 1));
      await run(clock.sleepUntil(Number.NEGATIVE_INFINITY));
      expect(clock.monotonicMs()).toBeGreaterThanOrEqual(beforeMs);
    });

    test('when the signal aborts, the sleep ends early and does not reject', async () => {
      const { clock, run } = open();
      const abort = new AbortController();
      const farMs = clock.monotonicMs() + 365 * 86_400_000;
      const sleep = clock.sleepUntil(farMs, abort.signal);
      abort.abort();
      await run(sleep);
      await run(clock.sleepUntil(farMs, abort.signal));
      expect(clock.monotonicMs()).toBeLessThan(farMs);
    });

    test('when several sleep, they wake in the order of their deadlines', async () => {
      const { clock, run } = open();
      const startMs = clock.monotonicMs();
      const woken: number[] = [];
      const sleeps = [90, 5, 50].map((afterMs) =>
        clock.sleepUntil(startMs + afterMs).then(() => woken.push(afterMs)),
      );
      await run(Promise.all(sleeps));
      expect(woken).toEqual([5, 50, 90]);
    });

    test('when a deadline lies beyond what one timer can hold, the sleep still waits for it', async () => {
      const { clock, run } = open();
      const startMs = clock.monotonicMs();
      const abort = new AbortController();
      const far = clock.sleepUntil(startMs + 3_000_000_000, abort.signal).then(() => 'far');
      const near = clock.sleepUntil(startMs + 20).then(() => 'near');
      expect(await run(Promise.race([far, near]))).toBe('near');
      abort.abort();
      await run(far);
    });

    test('when asked for the wall time, it is a whole number of milliseconds', () => {
      const { clock } = open();
      expect(Number.isInteger(clock.nowMs())).toBe(true);
    });
  });
}
