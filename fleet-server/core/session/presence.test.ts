import { expect, test } from 'vitest';
import type { BootId } from '../../../shared/core/ids.ts';
import { decidePresence, type PresenceMessage, presenceNumbers } from './presence.ts';

const boot = (name: string): BootId => name as BootId;
const born = (name: string, connection: number): PresenceMessage => ({
  boot: boot(name),
  seq: presenceNumbers(connection).birth,
  state: 'online',
});
const will = (name: string, connection: number): PresenceMessage => ({
  boot: boot(name),
  seq: presenceNumbers(connection).will,
  state: 'offline',
});

test('given a birth and its own will, the device is offline', () => {
  expect(decidePresence(born('b1', 0), will('b1', 0))).toEqual(will('b1', 0));
});

test('given a will that is older than the last birth, it says nothing', () => {
  expect(decidePresence(born('b1', 1), will('b1', 0))).toBeUndefined();
});

test('given a will of an earlier boot, it says nothing, whatever its number', () => {
  expect(decidePresence(born('b2', 0), will('b1', 40))).toBeUndefined();
});

test('given a birth of a new boot, it counts from anew', () => {
  expect(decidePresence(will('b1', 40), born('b2', 0))).toEqual(born('b2', 0));
});

test('given the same message again, nothing changes', () => {
  expect(decidePresence(born('b1', 3), born('b1', 3))).toBeUndefined();
  expect(decidePresence(will('b1', 3), will('b1', 3))).toBeUndefined();
});

test('given a device never heard of, its will is the first thing known', () => {
  expect(decidePresence(undefined, will('b1', 0))).toEqual(will('b1', 0));
});

test('given all connections of a boot, births and wills rise strictly', () => {
  const numbers = [0, 1, 2].map(presenceNumbers).flatMap(({ birth, will }) => [birth, will]);
  expect(numbers).toEqual([0, 1, 2, 3, 4, 5]);
});
