import { expect, test } from 'vitest';
import { nextRelease } from './next-release.ts';

const release = (version: string, releaseCounter: number) => ({ version, releaseCounter });

test('when nothing is known, the first release is a small one', () => {
  expect(nextRelease([])).toEqual(release('0.1.0', 1));
});

test('when versions have more than one digit, they are compared as numbers', () => {
  const known = [release('2.9.3', 4), release('2.10.1', 3), release('1.99.0', 7)];
  expect(nextRelease(known)).toEqual(release('2.11.0', 8));
});
