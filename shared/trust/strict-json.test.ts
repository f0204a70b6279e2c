import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../core/bytes.ts';
import { memberText, parseStrictJson } from './strict-json.ts';

const parse = (text: string): unknown => parseStrictJson(utf8(text));

test('given plain JSON, it parses as JSON.parse does', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => {
      fc.pre(!text.includes('__proto__'));
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
  );
});

test.each([
  '{"a":1,"a":2}',
  '{"a":1,"\\u0061":2}',
  '[{"b":{"a":1,"c":[],"a":{}}}]',
  '{"__proto__":{}}',
  '{"\\u005f_proto__":1}',
  '{"a":1',
  '',
  'undefined',
  '['.repeat(33) + ']'.repeat(33),
])('given %s, there is no value', (text) => {
  expect(parse(text)).toBeUndefined();
});

test('given bytes that are not UTF-8, there is no value', () => {
  expect(parseStrictJson(Uint8Array.of(0x22, 0xff, 0x22))).toBeUndefined();
});

test('given equal keys in different objects, nothing repeats', () => {
  expect(parse('{"a":{"a":[{"a":1},{"a":":,{"}]}}')).toEqual({
    a: { a: [{ a: 1 }, { a: ':,{' }] },
  });
});

test('given any object, the text of each member is the one that stands there', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
      fc.constantFrom(undefined, 1, '\t'),
      (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        for (const [key, member] of Object.entries(JSON.parse(text) as object)) {
          expect(JSON.parse(memberText(text, key) ?? 'null')).toEqual(member);
        }
        expect(memberText(text, '\u0000 not a key of this object')).toBeUndefined();
      },
    ),
  );
  expect(memberText('{"a" : {"signed":1}, "signed" :  [ 1,2 ] }', 'signed')).toBe('[ 1,2 ]');
});
