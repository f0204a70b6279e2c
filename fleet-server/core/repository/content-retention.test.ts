import { describe, expect, test } from 'vitest';
import { type ContentFacts, decideContentKeeper } from './content-retention.ts';

const dayMs = 86_400_000;
const keptMs = 90 * dayMs;
const nowMs = 1_000 * dayMs;
const retired = { status: 'deprecated', statusSinceMs: nowMs - keptMs } as const;

const unneeded: ContentFacts = {
  rows: [retired],
  ...{ isOnDevices: false, isPrevious: false, isRolledOut: false },
  ...{ isInRound: false, isParent: false },
};
const keeperOf = (change: Partial<ContentFacts>) =>
  decideContentKeeper({ ...unneeded, ...change }, { nowMs, keptMs });

describe('the content of a bundle', () => {
  test('when nobody needs it and its time is over, nothing keeps it, retired or revoked', () => {
    expect(keeperOf({})).toBeUndefined();
    expect(keeperOf({ rows: [{ ...retired, status: 'revoked' }] })).toBeUndefined();
  });

  test.each([
    ['no fleet has a row of it', { rows: [] }, 'live'],
    [
      'a second fleet still has it live',
      { rows: [retired, { ...retired, status: 'live' }] },
      'live',
    ],
    [
      'a second fleet retired it later',
      { rows: [retired, { ...retired, statusSinceMs: nowMs - keptMs + 1 }] },
      'young',
    ],
    [
      'the clock went back behind its retirement',
      { rows: [{ ...retired, statusSinceMs: nowMs + 1 }] },
      'young',
    ],
    ['a device has it', { isOnDevices: true }, 'device'],
    ['a device would go back to it', { isPrevious: true }, 'offer'],
    ['a rollout names it', { isRolledOut: true }, 'rollout'],
    ['a round trains it', { isInRound: true }, 'round'],
    ['a candidate descends from it', { isParent: true }, 'child'],
  ] as const)('when %s, it stays', (_, change, keeper) => {
    expect(keeperOf(change)).toBe(keeper);
  });
});
