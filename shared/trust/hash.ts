import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { bytesOfHex, hexOf } from '../core/bytes.ts';
import type { Digest } from '../core/ids.ts';

/** A hash that takes its input in pieces, so that a large blob is never whole in memory. */
export interface RunningHash {
  update(bytes: Uint8Array): void;
  /** 32 bytes; call once. */
  digest(): Uint8Array;
}

/** SHA-256 of the bytes: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The name of a blob: `sha256:` and the hash of its bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${sha256Hex(bytes)}` as Digest;
}

/** The name that 32 bytes of SHA-256 give. */
export function digestOfHash(hash: Uint8Array): Digest {
  return `sha256:${hexOf(hash)}` as Digest;
}

export function startSha256(): RunningHash {
  return startHash('sha256');
}

/** TUF metadata may name SHA-512 beside SHA-256; everything else of Skein uses SHA-256 alone. */
export function startHash(algorithm: 'sha256' | 'sha512'): RunningHash {
  const hash = createHash(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => hash.digest(),
  };
}

/** HMAC-SHA-256 (RFC 2104): 32 bytes. */
export function hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(bytes).digest();
}

/** Compares secrets without telling by its duration where they differ; the lengths are not secret. */
export function isSameSecret(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The 32 bytes inside a digest. */
export function hashOfDigest(digest: Digest): Uint8Array {
  return bytesOfHex(digest.slice('sha256:'.length)) ?? new Uint8Array(0);
}
