import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  freshMetadata,
  freshnessOf,
  isOverdue,
  type MetadataAge,
  metadataAgeMs,
  openMetadataAge,
} from './metadata-age.ts';

const dayMs = 86_400_000;
const at = (monotonicMs: number, trustedNowMs?: number) => ({ monotonicMs, trustedNowMs });
/** The next boot, whose monotonic clock begins anew. */
const rebooted = (age: MetadataAge, monotonicMs: number): MetadataAge =>
  openMetadataAge(freshnessOf(age, monotonicMs), 0);

describe('the age of the metadata', () => {
  it('when nothing was ever written down, begins at this boot', () => {
    const age = openMetadataAge(undefined, 500);
    expect(metadataAgeMs(age, at(500, 9 * dayMs))).toBe(0);
    expect(metadataAgeMs(age, at(700.75))).toBe(200);
  });

  it('when the device was off, is told by trusted time alone', () => {
    const age = rebooted(freshMetadata(100 * dayMs, 0), 1_000);
    expect(metadataAgeMs(age, at(0))).toBe(1_000);
    expect(metadataAgeMs(age, at(0, 130 * dayMs))).toBe(30 * dayMs);
  });

  it('when trusted time lies before what it was, is the time the device was alive', () => {
    const age = freshMetadata(100 * dayMs, 0);
    expect(metadataAgeMs(age, at(7_000, 90 * dayMs))).toBe(7_000);
  });

  it('when a clock has fractions, is written down in whole milliseconds', () => {
    expect(freshnessOf(freshMetadata(5, 0.25), 10.75)).toEqual({ freshAtMs: 5, aliveMs: 10 });
  });

  it('over any reboots without trusted time, is the sum of what each of them lived, until a refresh', () => {
    const boots = fc.array(fc.nat(10 * dayMs), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(boots, fc.nat(10), (lives, refreshedIn) => {
        let age = openMetadataAge(undefined, 0);
        let livedMs = 0;
        for (const [boot, life] of lives.entries()) {
          if (boot === refreshedIn) {
            age = freshMetadata(dayMs, 0);
            livedMs = 0;
          }
          livedMs += life;
          expect(metadataAgeMs(age, at(life))).toBe(livedMs);
          age = rebooted(age, life);
        }
      }),
    );
  });

  it.each([
    [undefined, 1e15, false],
    [{ maxDays: 1, then: 'stop' as const }, dayMs, false],
    [{ maxDays: 1, then: 'stop' as const }, dayMs + 1, true],
    [{ maxDays: 2, then: 'keep' as const }, 2 * dayMs + 1, true],
  ])('given the limit %j and %d ms, is too much: %s', (stale, ageMs, expected) => {
    expect(isOverdue(stale, ageMs)).toBe(expected);
  });
});
