import { expect, test } from 'vitest';
import { allDone } from './all-done.ts';

test('when all succeed, their values come in the order of the work', async () => {
  const slow = Promise.resolve().then(() => 'slow');
  expect(await allDone([slow, Promise.resolve('quick')])).toEqual(['slow', 'quick']);
});

test('when one fails, the others are waited for before its failure is thrown', async () => {
  const said: string[] = [];
  const failing = Promise.reject(new Error('first'));
  const slow = Promise.resolve()
    .then(() => Promise.resolve())
    .then(() => said.push('slow is done'));
  await expect(allDone<unknown>([failing, slow])).rejects.toThrow('first');
  expect(said).toEqual(['slow is done']);
});
