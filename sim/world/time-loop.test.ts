import { readFile } from 'node:fs/promises';
import { setTimeout as realSleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { SimClock, WorldTime } from './sim-clock.ts';
import { TimeLoop, WorldStalled } from './time-loop.ts';

const world = (): { time: WorldTime; loop: TimeLoop; clock: SimClock } => {
  const time = new WorldTime();
  return { time, loop: new TimeLoop(time), clock: new SimClock(time, 'node') };
};

test('when a year is slept, the world hops there in one event', async () => {
  const { time, loop, clock } = world();
  await loop.runUntil(clock.sleepUntil(365 * 86_400_000));
  expect(time.nowMs).toBe(365 * 86_400_000);
});

test('when an event sets off a long chain of microtasks, it is finished before time moves', async () => {
  const { loop, clock, time } = world();
  const seen: number[] = [];
  const chain = clock.sleepUntil(10).then(async () => {
    for (let i = 0; i < 1000; i += 1) await Promise.resolve();
    seen.push(time.nowMs);
  });
  void clock.sleepUntil(11);
  await loop.runUntil(chain);
  expect(seen).toEqual([10]);
});

test('when two nodes wake in one instant, what the first sets off comes before the second', async () => {
  const { loop, clock } = world();
  const order: string[] = [];
  const first = clock.sleepUntil(5).then(async () => {
    await Promise.resolve();
    await Promise.resolve();
    order.push('first');
  });
  const second = clock.sleepUntil(5).then(() => order.push('second'));
  await loop.runUntil(Promise.all([first, second]));
  expect(order).toEqual(['first', 'second']);
});

test('when nothing is left to happen and the goal has not settled, the run names who waits', async () => {
  const { loop } = world();
  const never = loop.track('agent dev-1', new Promise<void>(() => undefined));
  const stalled = await loop.runUntil(never).catch((error: unknown) => error);
  expect(stalled).toBeInstanceOf(WorldStalled);
  expect((stalled as WorldStalled).waiters).toEqual(['agent dev-1']);
});

test('when a task awaits a real file, the run fails and names the work and the task', async () => {
  const { loop, clock } = world();
  const reading = loop.track('reads a file', readFile(new URL(import.meta.url)));
  void clock.sleepUntil(1_000_000);
  const run = loop.runUntil(reading);
  await expect(run).rejects.toThrow(/work of the real machine.*FSReq.*reads a file/);
  await reading;
});

test('when real work is held, the world stands still until it is done', async () => {
  const { loop, clock, time } = world();
  let heldAtMs = -1;
  const work = async (): Promise<void> => {
    await loop.hold('inference', realSleep(20));
    heldAtMs = time.nowMs;
    await clock.sleepUntil(8);
  };
  void clock.sleepUntil(5);
  await loop.runUntil(work());
  expect(heldAtMs).toBe(0);
  expect(time.nowMs).toBe(8);
});

test('when a node never lets time pass, the run ends and names it', async () => {
  const { loop, clock } = world();
  const spin = async (): Promise<void> => {
    for (;;) await clock.sleepUntil(0);
  };
  const run = loop.runUntil(spin(), { eventsPerInstantMax: 100 });
  await expect(run).rejects.toThrow('node never lets time pass beyond 0 ms');
});

test('when the goal is not reached in time, the run ends there and lists the next deadlines', async () => {
  const { loop, clock, time } = world();
  const run = loop.runUntil(clock.sleepUntil(100), { untilMs: 99 });
  await expect(run).rejects.toThrow('not over at 99 ms; waiting: node until 100 ms');
  expect(time.nowMs).toBe(0);
});

test('when the goal fails, the run throws its error', async () => {
  const { loop, clock } = world();
  const failing = clock.sleepUntil(3).then(() => {
    throw new Error('as planned');
  });
  await expect(loop.runUntil(failing)).rejects.toThrow('as planned');
});
