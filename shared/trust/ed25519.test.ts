import nacl from 'tweetnacl';
import { describe, expect, test } from 'vitest';
import { bytesOfHex, hexOf, utf8 } from '../core/bytes.ts';
import { createSoftwareSigner, keyIdOf, openVerifyingKey, verifyEd25519 } from './ed25519.ts';
import { sha256Hex } from './hash.ts';

const hex = (text: string): Uint8Array => bytesOfHex(text)!;

/** RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature. */
const published = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
] as const;

describe.each(published)('given the published key %s', (seed, publicKey, message, signature) => {
  test('when it signs the published message, the signature is the published one', async () => {
    const signer = createSoftwareSigner(hex(seed));
    expect(hexOf(signer.publicKey)).toBe(publicKey);
    expect(signer.keyId).toBe(sha256Hex(hex(publicKey)));
    expect(signer.keyId).toBe(keyIdOf(hex(publicKey)));
    expect(hexOf(await signer.sign(hex(message)))).toBe(signature);
  });

  test('when one bit of message or signature differs, verification fails', () => {
    expect(verifyEd25519(hex(publicKey), hex(message), hex(signature))).toBe(true);
    expect(verifyEd25519(hex(publicKey), hex(`${message}00`), hex(signature))).toBe(false);
    for (const at of [0, 31, 32, 63]) {
      const bent = hex(signature);
      bent[at] = bent[at]! ^ 1;
      expect(verifyEd25519(hex(publicKey), hex(message), bent)).toBe(false);
    }
    expect(verifyEd25519(hex(publicKey), hex(message), hex(signature).subarray(0, 63))).toBe(false);
  });

  test('when the order of the group is added to S, verification fails although tweetnacl passes it', () => {
    const bent = addOrder(hex(signature));
    expect(nacl.sign.detached.verify(hex(message), bent, hex(publicKey))).toBe(true);
    expect(verifyEd25519(hex(publicKey), hex(message), bent)).toBe(false);
  });
});

/** S + L for the group order L (RFC 8032, 5.1). */
function addOrder(signature: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let s = 0n;
  for (let i = 63; i >= 32; i -= 1) s = (s << 8n) | BigInt(signature[i]!);
  s += order;
  const bent = Uint8Array.from(signature);
  for (let i = 32; i < 64; i += 1) {
    bent[i] = Number(s & 255n);
    s >>= 8n;
  }
  return bent;
}

/** Encodings of the points of small order, with both sign bits, and the unreduced ones. */
const weakKeys = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
];

test.each(weakKeys)('given the weak key %s, it is not opened', (key) => {
  expect(openVerifyingKey(hex(key))).toBeUndefined();
});

test('given the identity as a key, the signature that fits every message is refused', () => {
  const identity = hex(weakKeys[0]!);
  const universal = new Uint8Array(64);
  universal.set(identity, 0);
  expect(verifyEd25519(identity, utf8('any message at all'), universal)).toBe(false);
});

test('given bytes of another length, they are no key', () => {
  expect(openVerifyingKey(new Uint8Array(31).fill(7))).toBeUndefined();
  expect(() => createSoftwareSigner(new Uint8Array(64))).toThrow('32 bytes');
});
