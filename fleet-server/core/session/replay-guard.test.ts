import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BootId, Epoch } from '../../../shared/core/ids.ts';
import { decideReplay, type FrameNumber, type HighWater } from './replay-guard.ts';

const frame = (epoch: string, boot: string, seq: number): FrameNumber => ({
  epoch: epoch as Epoch,
  boot: boot as BootId,
  seq,
});
const current = { epoch: 'e1' as Epoch, session: 's1' };
const mark: HighWater = { ...frame('e1', 'b1', 7), session: 's1' };

test('given no frame before, the first is fresh whatever its number', () => {
  expect(decideReplay(undefined, current, frame('e1', 'b1', 0))).toMatchObject({
    verdict: 'fresh',
  });
});

test('given a number that goes up, gaps or not, the frame is fresh and becomes the mark', () => {
  expect(decideReplay(mark, current, frame('e1', 'b1', 100))).toEqual({
    verdict: 'fresh',
    highWater: { ...frame('e1', 'b1', 100), session: 's1' },
  });
});

test('given the newest frame again, it is repeated, not an alarm', () => {
  expect(decideReplay(mark, current, frame('e1', 'b1', 7))).toEqual({ verdict: 'repeated' });
});

test('given an older number, it is refused, in a later session too', () => {
  const refused = { verdict: 'refused', code: 'frame-replayed' };
  expect(decideReplay(mark, current, frame('e1', 'b1', 6))).toEqual(refused);
  const later = { ...current, session: 's2' };
  expect(decideReplay(mark, later, frame('e1', 'b1', 6))).toEqual(refused);
  expect(decideReplay(mark, later, frame('e1', 'b1', 8))).toMatchObject({ verdict: 'fresh' });
});

test('given another boot, it is fresh in a new session and refused inside one', () => {
  const later = { ...current, session: 's2' };
  expect(decideReplay(mark, later, frame('e1', 'b2', 0))).toMatchObject({ verdict: 'fresh' });
  expect(decideReplay(mark, current, frame('e1', 'b2', 9))).toEqual({
    verdict: 'refused',
    code: 'frame-replayed',
  });
});

test('given another epoch than the enrolment, it is refused; after a new enrolment numbers start anew', () => {
  expect(decideReplay(mark, current, frame('e0', 'b1', 99))).toEqual({
    verdict: 'refused',
    code: 'epoch-mismatch',
  });
  const enrolledAnew = { epoch: 'e2' as Epoch, session: 's2' };
  expect(decideReplay(mark, enrolledAnew, frame('e2', 'b1', 0))).toMatchObject({
    verdict: 'fresh',
  });
});

test('given any stream of one session shuffled and doubled, no frame is fresh twice', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 30 }), { maxLength: 60 }), (numbers) => {
      const fresh: number[] = [];
      let highWater: HighWater | undefined;
      for (const seq of numbers) {
        const decided = decideReplay(highWater, current, frame('e1', 'b1', seq));
        if (decided.verdict !== 'fresh') continue;
        fresh.push(seq);
        highWater = decided.highWater;
      }
      expect(fresh).toEqual([...new Set(fresh)].sort((a, b) => a - b));
    }),
  );
});
