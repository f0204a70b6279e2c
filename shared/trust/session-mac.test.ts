import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { utf8 } from '../core/bytes.ts';
import { isSessionMacValid, type MacContext, sessionMac } from './session-mac.ts';

const key = new Uint8Array(32).fill(3);
const context: MacContext = {
  kind: 'up/window',
  device: 'press-7',
  epoch: 'e'.repeat(32),
  boot: 'b'.repeat(32),
  seq: 41,
};
const body = utf8('{"first":1}');

test('given a frame, its tag is the HMAC over netstrings that docs/protocol.md describes', () => {
  const text = `9:up/window,7:press-7,32:${context.epoch},32:${context.boot},2:41,11:{"first":1}`;
  const expected = createHmac('sha256', key).update(text).digest('hex');
  expect(sessionMac(key, context, body)).toBe(expected);
});

test('given a tag, it holds for exactly what it was made over', () => {
  const mac = sessionMac(key, context, body);
  expect(isSessionMacValid(key, context, { body, mac })).toBe(true);
  const others: MacContext[] = [
    { ...context, kind: 'up/result' },
    { ...context, kind: 'dn/ack' },
    { ...context, device: 'press-8' },
    { ...context, epoch: 'f'.repeat(32) },
    { ...context, boot: 'c'.repeat(32) },
    { ...context, seq: 42 },
  ];
  for (const other of others) expect(isSessionMacValid(key, other, { body, mac })).toBe(false);
  expect(isSessionMacValid(key, context, { body: utf8('{"first":2}'), mac })).toBe(false);
  expect(isSessionMacValid(new Uint8Array(32), context, { body, mac })).toBe(false);
});

test('given no tag, half a tag or one that is no hexadecimal, the frame is not authentic', () => {
  const mac = sessionMac(key, context, body);
  for (const claimed of [undefined, '', mac.slice(0, 32), `${mac.slice(0, 62)}zz`, `${mac}00`]) {
    expect(isSessionMacValid(key, context, { body, mac: claimed })).toBe(false);
  }
});

test('given letters that move from one part to the next, the tag differs', () => {
  const one = sessionMac(key, { ...context, device: 'ab', epoch: 'c' }, body);
  const two = sessionMac(key, { ...context, device: 'a', epoch: 'bc' }, body);
  expect(one).not.toBe(two);
});
