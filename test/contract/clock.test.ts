import { expect, test } from 'vitest';
import { systemClock } from '../../shared/adapters/clock/system-clock.ts';
import { SimClock, soundClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { TimeLoop } from '../../sim/world/time-loop.ts';
import { type ClockUnderTest, clockSuite } from './clock.suite.ts';

clockSuite('system', () => ({ clock: systemClock, run: (promise) => promise }));
clockSuite('simulated', () => simulated(0));
clockSuite('simulated, fast by 100 ppm', () => simulated(100));
clockSuite('simulated, slow by 100 ppm', () => simulated(-100));

function simulated(driftPpm: number): ClockUnderTest {
  const time = new WorldTime();
  const loop = new TimeLoop(time);
  return {
    clock: new SimClock(time, 'node', { ...soundClock, driftPpm }),
    run: (promise) => loop.runUntil(promise),
  };
}

test('when a wall clock is skewed and jumps, the monotonic clock of the node does not notice', async () => {
  const time = new WorldTime(1_000_000);
  const loop = new TimeLoop(time);
  const clock = new SimClock(time, 'node', {
    skewMs: -400,
    driftPpm: 0,
    jumps: [{ atWorldMs: 50, byMs: -10_000 }],
  });
  expect(clock.nowMs()).toBe(999_600);
  await loop.runFor(60);
  expect(clock.nowMs()).toBe(989_660);
  expect(clock.monotonicMs()).toBe(60);
});

test('when a node boots later, its monotonic clock starts at zero then', async () => {
  const time = new WorldTime();
  await new TimeLoop(time).runFor(5000);
  const clock = new SimClock(time, 'late');
  expect(clock.monotonicMs()).toBe(0);
  expect(clock.nowMs()).toBe(time.startWallMs + 5000);
});

test('when a real sleep is longer than a timer can hold, no timer overflows', async () => {
  const warnings: string[] = [];
  const hear = (warning: Error): void => void warnings.push(warning.name);
  process.on('warning', hear);
  const abort = new AbortController();
  const sleep = systemClock.sleepUntil(systemClock.monotonicMs() + 3_000_000_000, abort.signal);
  await systemClock.sleepUntil(systemClock.monotonicMs() + 20);
  abort.abort();
  await sleep;
  process.off('warning', hear);
  expect(warnings).not.toContain('TimeoutOverflowWarning');
});
