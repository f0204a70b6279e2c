import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import type { WindowTotals } from '../model/telemetry.ts';
import { emptyTotals, mergeTotals, otherCodes } from './cohort-totals.ts';

const counter = fc.nat({ max: 1_000_000 });
const totals: fc.Arbitrary<WindowTotals> = fc
  .record({
    devices: counter,
    windows: counter,
    inferences: counter,
    errors: fc.dictionary(fc.stringMatching(/^[a-z]{2,3}$/), counter, { maxKeys: 80 }),
    latency: fc.array(counter, { maxLength: 5 }),
    predicted: fc.array(counter, { maxLength: 5 }),
    labelled: counter,
    correct: counter,
    confidenceMicros: fc.oneof(counter, fc.constant(Number.MAX_SAFE_INTEGER)),
  })
  .map(({ errors, ...rest }) => {
    const listed = Object.entries(errors).map(([code, count]) => ({ code, count: count + 1 }));
    return mergeTotals(emptyTotals, { ...rest, errors: listed });
  });

test('totals merge to the same sums in any order and in any grouping', () => {
  fc.assert(
    fc.property(totals, totals, totals, (a, b, c) => {
      expect(mergeTotals(a, b)).toEqual(mergeTotals(b, a));
      expect(mergeTotals(mergeTotals(a, b), c)).toEqual(mergeTotals(a, mergeTotals(b, c)));
      expect(mergeTotals(a, emptyTotals)).toEqual(a);
    }),
  );
});

test('when devices report more codes than the bound, the rest is counted under one code', () => {
  const errors = Array.from({ length: limits.cohortErrorCodesMax + 3 }, (_, i) => ({
    code: `code-${String(i).padStart(3, '0')}`,
    count: 2,
  }));
  const merged = mergeTotals(emptyTotals, { ...emptyTotals, errors });
  expect(merged.errors).toHaveLength(limits.cohortErrorCodesMax + 1);
  expect(merged.errors.at(-1)).toEqual({ code: otherCodes, count: 6 });
});

test('when a device reports an absurd count, the sum stops at the largest exact integer', () => {
  const absurd = { ...emptyTotals, inferences: Number.MAX_SAFE_INTEGER };
  expect(mergeTotals(absurd, absurd).inferences).toBe(Number.MAX_SAFE_INTEGER);
});
