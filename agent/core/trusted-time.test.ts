import { expect, test } from 'vitest';
import { anchorTime, raiseFloor, trustedNow } from './trusted-time.ts';

const builtAtMs = 1_000_000;
const unanchored = { floorMs: builtAtMs, anchor: undefined };

test('given a monotonic clock with fractions, trusted time and its floor are whole milliseconds', () => {
  const time = anchorTime(unanchored, 2_000_000, 100.25);
  expect(trustedNow(time, 250.5)).toBe(2_000_150);
  const raised = raiseFloor(time, { monotonicMs: 250.5, newestExpiryMs: 9_000_000 });
  expect(raised.floorMs).toBe(2_000_150);
});

test('before a login only a floor is known, and it rises to nothing beyond the newest expiry', () => {
  expect(trustedNow(unanchored, 5)).toBeUndefined();
  const time = anchorTime(unanchored, 2_000_000, 0);
  expect(raiseFloor(time, { monotonicMs: 0, newestExpiryMs: 1_999_999 }).floorMs).toBe(builtAtMs);
});
