import { expect, test } from 'vitest';
import { bytesOfHex, hexOf, utf8 } from '../core/bytes.ts';
import { isDigest } from '../core/ids.ts';
import {
  digestOf,
  digestOfHash,
  hashOfDigest,
  hmacSha256,
  isSameSecret,
  sha256,
  sha256Hex,
  startHash,
  startSha256,
} from './hash.ts';

test('given the three letters of FIPS 180-4, the hash is the published one', () => {
  const published = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(sha256Hex(utf8('abc'))).toBe(published);
  expect(hexOf(sha256(utf8('abc')))).toBe(published);
  expect(digestOf(utf8('abc'))).toBe(`sha256:${published}`);
  expect(isDigest(digestOf(utf8('abc')))).toBe(true);
  expect(hexOf(hashOfDigest(digestOf(utf8('abc'))))).toBe(published);
});

test('given the same bytes in pieces, a running hash agrees with the whole', () => {
  const running = startSha256();
  running.update(utf8('a'));
  running.update(utf8('bc'));
  expect(digestOfHash(running.digest())).toBe(digestOf(utf8('abc')));
  const longer = startHash('sha512');
  longer.update(utf8('abc'));
  expect(hexOf(longer.digest()).slice(0, 32)).toBe('ddaf35a193617abacc417349ae204131');
});

test('given test case 2 of RFC 4231, the HMAC is the published one', () => {
  expect(hexOf(hmacSha256(utf8('Jefe'), utf8('what do ya want for nothing?')))).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
});

test('given two secrets, only equal bytes of equal length are the same', () => {
  const secret = bytesOfHex('00ff10') ?? new Uint8Array(0);
  expect(isSameSecret(secret, Uint8Array.of(0, 255, 16))).toBe(true);
  expect(isSameSecret(secret, Uint8Array.of(0, 255, 17))).toBe(false);
  expect(isSameSecret(secret, Uint8Array.of(0, 255))).toBe(false);
});
