import { expect, test } from 'vitest';
import { limits } from '../../shared/contracts/limits.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { SpreadWindow } from './spread-window.ts';

const windowOf = (jitterMs: number | undefined, unit = 0.5) => {
  const time = new WorldTime();
  const random = { unit: () => unit, bytes: () => new Uint8Array() };
  const clock = new SimClock(time, 'device');
  return { time, spread: new SpreadWindow({ clock, random, memory: { jitterMs } }) };
};

test('given a device that never had a session, nothing waits', () => {
  const { spread } = windowOf(undefined);
  spread.takePlace();
  expect([spread.widthMs, spread.drawMs(), spread.placeMs]).toEqual([0, 0, 0]);
});

test('given a server that asks for a window of days, an hour is what it gets', () => {
  const { spread } = windowOf(30 * 86_400_000);
  expect(spread.widthMs).toBe(limits.jitterMsMax);
  expect(spread.drawMs()).toBe(limits.jitterMsMax / 2);
});

test('given a ceiling below the window, the draw stays under it', () => {
  const { spread } = windowOf(60_000, 0.999);
  expect(spread.drawMs(1_000)).toBe(999);
  expect(spread.drawMs(-1)).toBe(0);
});

test('given a stream of orders, the first place stays until it has come', () => {
  const { time, spread } = windowOf(60_000);
  spread.takePlace();
  expect(spread.placeMs).toBe(30_000);
  const at = (ms: number): number => {
    time.schedule(ms, 'later', () => undefined);
    time.hop();
    spread.takePlace();
    return spread.placeMs;
  };
  expect([at(1_000), at(29_999), at(30_000)]).toEqual([30_000, 30_000, 60_000]);
});
