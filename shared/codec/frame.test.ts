import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FrameHeader } from '../contracts/frame.ts';
import { limits } from '../contracts/limits.ts';
import { concatBytes, utf8 } from '../core/bytes.ts';
import type { BootId, Epoch } from '../core/ids.ts';
import { decodeFrame, encodeFrame, isFrameExpired } from './frame.ts';

const header: FrameHeader = {
  v: 1,
  id: '0123456789abcdef',
  ts: 1_767_225_600_000,
  epoch: 'e'.repeat(32) as Epoch,
  boot: 'b'.repeat(32) as BootId,
  seq: 3,
};
const code = (bytes: Uint8Array): string => {
  const decoded = decodeFrame(bytes);
  return decoded.ok ? 'ok' : decoded.error.code;
};
const withLine = (line: string): Uint8Array => utf8(`${line}\nbody`);

test('given any header and body, what is decoded is what was encoded', () => {
  const digits = '0123456789abcdef'.split('');
  const hexOfLength = (length: number) =>
    fc.string({ unit: fc.constantFrom(...digits), minLength: length, maxLength: length });
  const headers = fc.record(
    {
      v: fc.constant(1 as const),
      id: hexOfLength(16),
      ts: fc.nat(),
      epoch: hexOfLength(32),
      boot: hexOfLength(32),
      seq: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      exp: fc.nat(),
      corr: hexOfLength(16),
      mac: hexOfLength(64),
    },
    { requiredKeys: ['v', 'id', 'ts', 'epoch', 'boot', 'seq'] },
  );
  fc.assert(
    fc.property(headers, fc.uint8Array({ maxLength: 500 }), (drawn, body) => {
      const decoded = decodeFrame(encodeFrame(drawn as FrameHeader, body));
      expect(decoded).toEqual({ ok: true, value: { header: drawn, body } });
    }),
  );
});

test('given a body with line feeds, only the first one ends the header; the body is a view', () => {
  const frame = encodeFrame(header, utf8('\n{"a":1}\n'));
  const decoded = decodeFrame(frame);
  expect(decoded.ok && decoded.value.body.buffer).toBe(frame.buffer);
  expect(decoded.ok && decoded.value.body).toEqual(utf8('\n{"a":1}\n'));
});

test('given an instant of expiry, only trusted time beyond it makes the frame late', () => {
  const { ts } = header;
  expect(isFrameExpired({ ...header, exp: ts }, ts)).toBe(false);
  expect(isFrameExpired({ ...header, exp: ts }, ts + 1)).toBe(true);
  expect(isFrameExpired({ ...header, exp: ts }, undefined)).toBe(false);
  expect(isFrameExpired(header, Number.MAX_SAFE_INTEGER)).toBe(false);
});

describe('given a header line that is not one', () => {
  const line = JSON.stringify(header);
  const lines: [string, string][] = [
    ['nothing', ''],
    ['no JSON', 'hello'],
    ['an unknown field', line.replace('{', '{"x":1,')],
    ['a duplicate key', line.replace('{', '{"seq":9,')],
    ['__proto__', line.replace('{', '{"__proto__":{},')],
    ['another version', line.replace('"v":1', '"v":2')],
    ['a number as text', line.replace('"seq":3', '"seq":"3"')],
    ['a fraction', line.replace('"seq":3', '"seq":3.5')],
    ['a negative number', line.replace('"seq":3', '"seq":-3')],
    ['a short epoch', line.replace('e'.repeat(32), 'e'.repeat(31))],
    ['a long mac', line.replace('}', `,"mac":"${'a'.repeat(65)}"}`)],
  ];
  test.each(lines)('when it has %s, the frame is malformed', (_name, bad) => {
    expect(code(withLine(line))).toBe('ok');
    expect(code(withLine(bad))).toBe('malformed-frame');
  });
});

test('given no line feed within the limit, the search ends there', () => {
  expect(code(utf8(JSON.stringify(header)))).toBe('malformed-frame');
  const padded = `${' '.repeat(limits.frameHeaderBytesMax)}${JSON.stringify(header)}`;
  expect(code(withLine(padded))).toBe('malformed-frame');
});

test('given bytes that are not UTF-8 in the header, the frame is malformed', () => {
  expect(code(concatBytes([Uint8Array.of(0xff), utf8('{}\n')]))).toBe('malformed-frame');
});

test('given a frame above the limit, it is refused before it is read', () => {
  const largest = limits.frameBytesMax - utf8(JSON.stringify(header)).length - 1;
  expect(code(encodeFrame(header, new Uint8Array(largest)))).toBe('ok');
  expect(code(encodeFrame(header, new Uint8Array(largest + 1)))).toBe('too-large');
});

test('given white space another writer leaves, the header still reads', () => {
  const spaced = JSON.stringify(header).replaceAll(',', ', ');
  expect(code(withLine(spaced))).toBe('ok');
  expect(code(withLine(spaced.replace('{', '{"seq": 9, ')))).toBe('malformed-frame');
});
