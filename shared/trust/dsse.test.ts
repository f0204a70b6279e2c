import { describe, expect, test } from 'vitest';
import { limits } from '../contracts/limits.ts';
import type { SigningRole } from '../contracts/payload-types.ts';
import { base64Of, textOf, utf8 } from '../core/bytes.ts';
import {
  preAuthEncoding,
  type RoleKeys,
  readEnvelope,
  signEnvelope,
  verifyEnvelope,
} from './dsse.ts';
import { createSoftwareSigner, openVerifyingKey } from './ed25519.ts';

const signerOf = (seed: number) => createSoftwareSigner(new Uint8Array(32).fill(seed));

const roleKeys = (role: SigningRole, seeds: readonly number[], threshold = 1): RoleKeys => ({
  role,
  threshold,
  keys: seeds.map((seed) => openVerifyingKey(signerOf(seed).publicKey)!),
});
const director = (seeds: readonly number[], threshold = 1) =>
  roleKeys('director', seeds, threshold) as RoleKeys<'director'>;

const payload = utf8('{"generation":7}');
const codeOf = (bytes: Uint8Array, keys = director([1])): string => {
  const verified = verifyEnvelope('desired', keys, bytes);
  return verified.ok ? 'ok' : verified.error.code;
};

test('given the example of the DSSE protocol, the pre-authentication encoding is the published one', () => {
  const encoded = preAuthEncoding('http://example.com/HelloWorld', utf8('hello world'));
  expect(textOf(encoded)).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
});

test('given an envelope, what comes back are the payload bytes as they were signed', async () => {
  const odd = utf8('{ "generation" : 7 }\n');
  const verified = verifyEnvelope(
    'desired',
    director([1]),
    await signEnvelope('desired', odd, [signerOf(1)]),
  );
  expect(verified).toEqual({ ok: true, value: odd });
});

describe('given a threshold of two', () => {
  test('when two keys have signed, it passes, and one key twice does not', async () => {
    const both = await signEnvelope('desired', payload, [signerOf(1), signerOf(2)]);
    const twice = await signEnvelope('desired', payload, [signerOf(1), signerOf(1)]);
    expect(codeOf(both, director([1, 2], 2))).toBe('ok');
    expect(codeOf(twice, director([1, 2], 2))).toBe('threshold-unmet');
    expect(codeOf(both, director([1], 2))).toBe('threshold-unmet');
  });

  test('when the threshold is zero by mistake, an unsigned envelope still fails', async () => {
    const strange = await signEnvelope('desired', payload, [signerOf(9)]);
    expect(codeOf(strange, director([1], 0))).toBe('unknown-key');
  });
});

test('given a signature of a retired key beside a good one, the good one counts', async () => {
  const rotated = await signEnvelope('desired', payload, [signerOf(9), signerOf(1)]);
  expect(codeOf(rotated)).toBe('ok');
});

test('given a payload changed after signing, no signature fits', async () => {
  const text = textOf(await signEnvelope('desired', payload, [signerOf(1)]))!;
  const changed = text.replace(base64Of(payload), base64Of(utf8('{"generation":8}')));
  expect(changed).not.toBe(text);
  expect(codeOf(utf8(changed))).toBe('signature-invalid');
});

describe('given another spelling of an envelope', () => {
  const spellings: [string, (text: string) => string][] = [
    ['a space', (text) => `${text} `],
    ['an unknown field', (text) => text.replace('{"payload"', '{"note":1,"payload"')],
    ['a duplicate key', (text) => text.replace('{"payload"', '{"payload":"","payload"')],
    ['__proto__', (text) => text.replace('{"payload"', '{"__proto__":{},"payload"')],
    ['an escaped letter', (text) => text.replace('"payloadType"', '"payloadTyp\\u0065"')],
    ['base64 with spare bits', (text) => text.replace('fQ==', 'fR==')],
    ['no signatures', (text) => text.replace(/"signatures":\[.*\]/, '"signatures":[]')],
    [
      'an upper-case key id',
      (text) => text.replace(/"keyid":"[0-9a-f]+"/, (id) => id.toUpperCase()),
    ],
    ['text', () => 'not json'],
    ['a list', () => '[]'],
    ['nothing', () => ''],
  ];

  test.each(spellings)('when it has %s, it is malformed or unsigned', async (_name, spell) => {
    const text = textOf(await signEnvelope('desired', payload, [signerOf(1)]))!;
    expect(codeOf(utf8(text))).toBe('ok');
    expect(['malformed-envelope', 'signature-invalid']).toContain(codeOf(utf8(spell(text))));
  });

  test('when it is not UTF-8 or too large, it is refused unread', () => {
    expect(codeOf(Uint8Array.of(0xff, 0xfe))).toBe('malformed-envelope');
    expect(codeOf(new Uint8Array(limits.envelopeBytesMax + 1))).toBe('too-large');
  });

  test('when it has five signatures, it is malformed', async () => {
    const five = await signEnvelope('desired', payload, [1, 2, 3, 4, 5].map(signerOf));
    expect(readEnvelope(five).ok).toBe(false);
  });
});
