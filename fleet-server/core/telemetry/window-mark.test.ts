import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId, OutboxId } from '../../../shared/core/ids.ts';
import type { WindowMark } from '../model/telemetry.ts';
import { placeWindow } from './window-mark.ts';

const fresh: WindowMark = {
  device: 'dev-1' as DeviceId,
  outbox: '0'.repeat(32) as OutboxId,
  durable: 0,
  ahead: [],
  latest: 0,
};
const single = (number: number) => ({ first: number, last: number });

test('when windows arrive in order, the mark follows them', () => {
  const one = placeWindow(fresh, single(1));
  expect(one).toMatchObject({ placement: 'new', mark: { durable: 1, ahead: [] } });
  expect(placeWindow(one.mark, { first: 2, last: 9 }).mark.durable).toBe(9);
});

test('when a window comes again, it is a duplicate below the mark and above the gap alike', () => {
  const { mark } = placeWindow(placeWindow(fresh, single(1)).mark, { first: 3, last: 4 });
  expect(mark).toMatchObject({ durable: 1, ahead: [[3, 4]] });
  expect(placeWindow(mark, single(1)).placement).toBe('duplicate');
  expect(placeWindow(mark, { first: 3, last: 4 }).placement).toBe('duplicate');
  expect(placeWindow(mark, single(2)).mark).toMatchObject({ durable: 4, ahead: [] });
});

test('when the range is impossible, it is neither stored nor acknowledged', () => {
  expect(placeWindow(fresh, single(0)).placement).toBe('too-far-ahead');
  expect(placeWindow(fresh, { first: 3, last: 2 }).placement).toBe('too-far-ahead');
});

test('when more gaps are open than a device has windows in flight, the mark keeps its size', () => {
  let mark = fresh;
  const placements: string[] = [];
  for (let i = 0; i <= limits.windowRangesAheadMax; i += 1) {
    const placed = placeWindow(mark, single(3 + 2 * i));
    placements.push(placed.placement);
    mark = placed.mark;
  }
  expect(placements.at(-1)).toBe('too-far-ahead');
  expect(mark.ahead).toHaveLength(limits.windowRangesAheadMax);
});

test('whatever the order and the repetitions, each window is new once and the end is reached', () => {
  const arrivals = fc
    .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 12 })
    .chain((lengths) => {
      let next = 1;
      const windows = lengths.map((length) => {
        const window = { first: next, last: next + length - 1 };
        next += length;
        return window;
      });
      const repeated = fc.array(fc.constantFrom(...windows), { maxLength: 12 });
      return repeated.chain((again) =>
        fc.shuffledSubarray([...windows, ...again], {
          minLength: windows.length + again.length,
        }),
      );
    });
  fc.assert(
    fc.property(arrivals, (windows) => {
      let mark = fresh;
      const counted = new Map<number, number>();
      for (const window of windows) {
        const placed = placeWindow(mark, window);
        expect(placed.mark.durable).toBeGreaterThanOrEqual(mark.durable);
        mark = placed.mark;
        if (placed.placement === 'new') {
          counted.set(window.first, (counted.get(window.first) ?? 0) + 1);
        }
        for (let number = 1; number <= mark.durable; number += 1) {
          expect([...counted.keys()].some((first) => first <= number)).toBe(true);
        }
      }
      expect([...counted.values()].every((times) => times === 1)).toBe(true);
      expect(counted.size).toBe(new Set(windows.map(({ first }) => first)).size);
      expect(mark).toMatchObject({ durable: Math.max(...windows.map((w) => w.last)), ahead: [] });
    }),
  );
});
