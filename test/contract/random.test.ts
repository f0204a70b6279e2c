import { expect, test } from 'vitest';
import { cryptoRandom } from '../../shared/adapters/random/crypto-random.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';
import { randomSuite } from './random.suite.ts';

randomSuite('crypto', () => cryptoRandom);
randomSuite('seeded', () => new SimRandom('contract'));
randomSuite('seeded, forked twice', () => new SimRandom('contract').fork('net').fork('node-7'));

test('when the seed is the same, the draws are; when a fork draws, its parent does not move', () => {
  const one = new SimRandom('7');
  const two = new SimRandom('7');
  const forked = two.fork('disk');
  forked.bytes(100);
  expect(two.bytes(20)).toEqual(one.bytes(20));
  expect(forked.unit()).not.toBe(two.fork('disk').unit());
  expect(new SimRandom('7').fork('disk').unit()).toBe(one.fork('disk').unit());
});
