import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Zones } from '../../../shared/ports/zones.ts';
import { addWindowTime, isWindowOpen, nextOpening } from './maintenance-window.ts';

const at = (iso: string): number => Date.parse(iso);
/** Oslo in 2026: summer time from 29 March 01:00Z to 25 October 01:00Z. */
const zones: Zones = {
  offsetMinutes: (name, atMs) => {
    if (name === 'Asia/Kolkata') return 330;
    if (name !== 'Europe/Oslo') return undefined;
    return atMs >= at('2026-03-29T01:00Z') && atMs < at('2026-10-25T01:00Z') ? 120 : 60;
  },
};
const oslo = { zone: 'Europe/Oslo', zones };
const night = { from: '22:00', to: '04:00' } as const;

describe('nextOpening', () => {
  it('opens in the local night of the device, over midnight', () => {
    expect(isWindowOpen(night, oslo, at('2026-01-10T20:59:59Z'))).toBe(false);
    expect(isWindowOpen(night, oslo, at('2026-01-10T21:00Z'))).toBe(true);
    expect(isWindowOpen(night, oslo, at('2026-01-11T02:59Z'))).toBe(true);
    expect(isWindowOpen(night, oslo, at('2026-01-11T03:00Z'))).toBe(false);
    expect(isWindowOpen(night, { zone: 'Asia/Kolkata', zones }, at('2026-01-10T16:30Z'))).toBe(
      true,
    );
    expect(isWindowOpen(null, oslo, 0)).toBe(true);
  });

  it('opens on the named local days only', () => {
    const weekend = { ...night, days: ['sat' as const] };
    // 2026-01-10 was a Saturday.
    expect(nextOpening(weekend, oslo, at('2026-01-06T12:00Z'))).toEqual({
      fromMs: at('2026-01-10T21:00Z'),
      toMs: at('2026-01-11T03:00Z'),
    });
    expect(isWindowOpen(weekend, oslo, at('2026-01-11T22:00Z'))).toBe(false);
  });

  it('opens when the clock jumps over the opening time, and once when it occurs twice', () => {
    const half = { from: '02:30', to: '05:00' } as const;
    expect(nextOpening(half, oslo, at('2026-03-28T23:00Z'))).toEqual({
      fromMs: at('2026-03-29T01:00Z'),
      toMs: at('2026-03-29T03:00Z'),
    });
    expect(nextOpening(half, oslo, at('2026-10-24T22:00Z'))).toEqual({
      fromMs: at('2026-10-25T00:30Z'),
      toMs: at('2026-10-25T04:00Z'),
    });
  });

  it('reads an unknown zone as UTC', () => {
    expect(isWindowOpen(night, { zone: 'Mars/Base', zones }, at('2026-01-10T22:00Z'))).toBe(true);
  });
});

describe('addWindowTime', () => {
  it('counts the time inside the window alone', () => {
    const span = { fromMs: at('2026-01-10T12:00Z'), durationMs: 8 * 3_600_000 };
    // Six hours in the first night, two in the second.
    expect(addWindowTime(night, oslo, span)).toBe(at('2026-01-11T23:00Z'));
    expect(addWindowTime(null, oslo, span)).toBe(at('2026-01-10T20:00Z'));
  });

  it('never ends before the plain deadline, and later for more', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: at('2026-01-01T00:00Z'), max: at('2026-12-31T00:00Z') }),
        fc.integer({ min: 1, max: 5 * 86_400_000 }),
        (fromMs, durationMs) => {
          const end = addWindowTime(night, oslo, { fromMs, durationMs });
          expect(end).toBeGreaterThanOrEqual(fromMs + durationMs);
          expect(isWindowOpen(night, oslo, end - 1)).toBe(true);
          expect(
            addWindowTime(night, oslo, { fromMs, durationMs: durationMs + 1 }),
          ).toBeGreaterThan(end);
        },
      ),
    );
  });
});
