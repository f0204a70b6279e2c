import { expect, test } from 'vitest';
import { fingerprintOf, SeenInputs } from './seen-inputs.ts';

const bytes = (...values: number[]) => ({ kind: 'bytes', bytes: Uint8Array.from(values) }) as const;

test('when the same input comes again, its fingerprint is known; another label makes another one', () => {
  const print = fingerprintOf(bytes(1, 2, 3), 'js');
  expect(fingerprintOf(bytes(1, 2, 3), 'js')).toBe(print);
  expect(fingerprintOf(bytes(1, 2, 3), 'ts')).not.toBe(print);
  expect(fingerprintOf(bytes(1, 2, 4), 'js')).not.toBe(print);
  expect(fingerprintOf(bytes(1, 2, 3, 0), 'js')).not.toBe(print);
});

test('when an input is large, bytes over its whole length count', () => {
  const large = (last: number) =>
    bytes(...Array.from({ length: 4_096 }, (_, at) => (at >= 4_000 ? last : 7)));
  expect(fingerprintOf(large(1), 'js')).not.toBe(fingerprintOf(large(2), 'js'));
});

test('when more inputs came than are remembered, the oldest are forgotten and the newest are not', () => {
  const seen = new SeenInputs(4);
  for (let print = 0; print < 9; print += 1) seen.add(print);
  expect([0, 3, 4, 8].map((print) => seen.has(print))).toEqual([false, false, true, true]);
});
