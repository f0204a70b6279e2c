import type { Clock } from '../../ports/clock.ts';

/** Longest delay `setTimeout` takes; a larger one fires at once, with nothing but a warning. */
const timerMsMax = 2_147_483_647;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleepUntil: async (deadlineMonotonicMs, signal) => {
    // Timers may fire a fraction of a millisecond early, and a far deadline needs several of them.
    for (;;) {
      const leftMs = deadlineMonotonicMs - performance.now();
      if (leftMs <= 0 || signal?.aborted === true) return;
      await timer(Math.min(Math.ceil(leftMs), timerMsMax), signal);
    }
  },
};

function timer(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timeout);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timeout = setTimeout(finish, delayMs);
    signal?.addEventListener('abort', finish);
  });
}
