import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { limits } from '../contracts/limits.ts';
import { concatBytes, hexOf } from '../core/bytes.ts';
import { invariant } from '../core/invariant.ts';
import type { Signer } from '../ports/signer.ts';
import { sha256Hex } from './hash.ts';

/** A public key, opened once: importing it costs more than half of a verification. */
export interface VerifyingKey {
  readonly keyId: string;
  readonly publicKey: Uint8Array;
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** Everything of an Ed25519 key before its 32 bytes, in DER (RFC 8410, sections 4 and 7). */
const spkiPrefix = Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0);
const pkcs8Prefix = Uint8Array.of(
  ...[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20],
);

/** y coordinates, without the sign bit, of the eight points of small order. */
const smallOrder = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]);

/** The name of a key: the SHA-256 of its raw 32 bytes, in hexadecimal. */
export function keyIdOf(publicKey: Uint8Array): string {
  return sha256Hex(publicKey);
}

/**
 * Opens a raw public key, or `undefined` when it is no key: wrong length, y not reduced modulo 2^255 - 19,
 * small order (such a key "signs" every message), or not on the curve.
 */
export function openVerifyingKey(publicKey: Uint8Array): VerifyingKey | undefined {
  const name = hexOf(publicKey.subarray(0, 33));
  const known = opened.get(name);
  if (known !== undefined) return known;
  const key = openFresh(publicKey);
  if (key === undefined) return undefined;
  const [oldest] = opened.size >= limits.verifyingKeysKept ? opened.keys() : [];
  if (oldest !== undefined) opened.delete(oldest);
  opened.set(name, key);
  return key;
}

/** Keys that were opened, by their bytes: a key never changes, and whoever signs once signs again. */
const opened = new Map<string, VerifyingKey>();

function openFresh(publicKey: Uint8Array): VerifyingKey | undefined {
  if (publicKey.length !== 32 || isUnreduced(publicKey) || isSmallOrder(publicKey))
    return undefined;
  const key = importPublic(publicKey);
  if (key === undefined) return undefined;
  return {
    keyId: keyIdOf(publicKey),
    publicKey: Uint8Array.from(publicKey),
    // OpenSSL refuses S >= L (RFC 8032, 5.1.7); tweetnacl does not, so it never verifies here.
    verify: (message, signature) =>
      signature.length === 64 && verify(null, message, key, signature),
  };
}

/** One verification with a key that is not kept. `false` for a malformed key or signature too. */
export function verifyEd25519(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return openVerifyingKey(publicKey)?.verify(message, signature) ?? false;
}

/** Signs in this process with the private key that a 32-byte seed gives (RFC 8032, 5.1.5). */
export function createSoftwareSigner(seed: Uint8Array): Signer {
  invariant(seed.length === 32, 'an Ed25519 seed has 32 bytes');
  const privateKey = createPrivateKey({
    key: Buffer.from(concatBytes([pkcs8Prefix, seed])),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const publicKey = Uint8Array.from(spki.subarray(spkiPrefix.length));
  return {
    keyId: keyIdOf(publicKey),
    publicKey,
    sign: (bytes) => sign(null, bytes, privateKey),
  };
}

function importPublic(publicKey: Uint8Array) {
  try {
    return createPublicKey({
      key: Buffer.from(concatBytes([spkiPrefix, publicKey])),
      format: 'der',
      type: 'spki',
    });
  } catch {
    return undefined;
  }
}

function isUnreduced(publicKey: Uint8Array): boolean {
  const top = (publicKey[31] ?? 0) & 0x7f;
  return (
    top === 0x7f && (publicKey[0] ?? 0) >= 0xed && publicKey.subarray(1, 31).every((b) => b === 255)
  );
}

function isSmallOrder(publicKey: Uint8Array): boolean {
  const y = Uint8Array.from(publicKey);
  y[31] = (y[31] ?? 0) & 0x7f;
  return smallOrder.has(hexOf(y));
}
