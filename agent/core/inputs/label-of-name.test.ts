import { expect, test } from 'vitest';
import { labelOfName } from './label-of-name.ts';

test.each([
  ['a/b/index.JS', 'js'],
  ['index.mjs', 'js'],
  ['index.cjs', 'js'],
  ['types.d.mts', 'ts'],
  ['types.cts', 'ts'],
  ['archive.tar.gz', 'gz'],
  ['.npmrc', undefined],
  ['.config.json', 'json'],
  ['LICENSE', undefined],
  ['dot.', undefined],
  ['folder.d/LICENSE', undefined],
])('given %s, the label is %s', (name, label) => {
  expect(labelOfName(name, 'extension')).toBe(label);
});

test('given the rule none, no name has a label', () => {
  expect(labelOfName('index.js', 'none')).toBeUndefined();
});
