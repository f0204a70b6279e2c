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

test('when a version is asked for, it is taken above every known one and not otherwise', () => {
  const known = [release('2.9.3', 4), release('2.10.1', 3)];
  expect(nextRelease(known, '3.0.0')).toEqual(release('3.0.0', 5));
  expect(nextRelease(known, '2.10.2').version).toBe('2.10.2');
  expect(nextRelease(known, '2.10.1').version).toBe('2.11.0');
  expect(nextRelease(known, '1.99.0').version).toBe('2.11.0');
});
