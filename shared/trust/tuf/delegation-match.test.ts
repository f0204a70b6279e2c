import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isPathMatch } from './delegation-match.ts';

test.each([
  ['*', 'file', true],
  ['*', '.hidden', true],
  ['*', 'a/b', false],
  ['*', '', true],
  ['a/*', 'a/b', true],
  ['a/*', 'a', false],
  ['a/*', 'a/b/c', false],
  ['federated/geese/*', 'federated/geese/wing@1.0.0', true],
  ['federated/geese/*', 'federated/swans/wing@1.0.0', false],
  ['*.zip', 'a.zip.txt', false],
  ['*a*b*', 'xxaxxbxx', true],
  ['*a*b*', 'xxbxxaxx', false],
  ['foo-?.tgz', 'foo-1.tgz', true],
  ['foo-?.tgz', 'foo-.tgz', false],
  ['foo-?.tgz', 'foo-12.tgz', false],
  ['[a]', 'a', false],
  ['[a]', '[a]', true],
  ['{a,b}', 'a', false],
  ['A', 'a', false],
  ['?', '*', true],
  ['', '', true],
  ['', 'a', false],
])('given the pattern "%s" and the path "%s", the match is %s', (pattern, path, matches) => {
  expect(isPathMatch(pattern, path)).toBe(matches);
});

test('given any pattern, it agrees with the regular expression that it means', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?', '/'), maxLength: 12 });
  fc.assert(
    fc.property(text, text, (pattern, path) => {
      const source = pattern.replace(/\./g, '\\.').replace(/\*/g, '[^/]*').replace(/\?/g, '[^/]');
      expect(isPathMatch(pattern, path)).toBe(new RegExp(`^${source}$`).test(path));
    }),
    { numRuns: 2000 },
  );
});

test('given a hostile pattern of many stars, the answer still comes', () => {
  expect(isPathMatch(`${'*a'.repeat(2000)}b`, 'a'.repeat(5000))).toBe(false);
});
