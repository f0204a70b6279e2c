import { expect, test } from 'vitest';
import { utf8 } from '../../core/bytes.ts';
import { digestOf, sha256Hex } from '../hash.ts';
import { digestOfTarget } from './file-hash.ts';
import type { TargetFile } from './metadata.ts';
import { isTarget, receiveTarget } from './receive-target.ts';

const content = utf8('signed content');
const target: TargetFile = {
  path: 'file',
  length: content.length,
  hashes: new Map([
    ['sha256', sha256Hex(content)],
    ['blake2b-256', 'an algorithm we pass over'],
  ]),
  custom: undefined,
};

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield await Promise.resolve(bytes.subarray(at, at + pieceBytes));
  }
}

const receive = async (body: AsyncIterable<Uint8Array>): Promise<readonly [string, number]> => {
  let written = 0;
  const received = await receiveTarget(target, body, (part) => {
    written += part.length;
  });
  return [received.ok ? 'ok' : received.error.code, written];
};

test.each([1, 5, 100])(
  'given the signed bytes in pieces of %i, the target is received',
  async (n) => {
    expect(await receive(inPieces(content, n))).toEqual(['ok', content.length]);
  },
);

test('given an endless target, nothing after the signed length is written', async () => {
  const endless = inPieces(new Uint8Array(1 << 20), 4);
  expect(await receive(endless)).toEqual(['tuf-target-mismatch', 12]);
});

test('given a transfer that ends early, the target is not received', async () => {
  expect(await receive(inPieces(content.subarray(0, 9), 4))).toEqual(['tuf-target-mismatch', 9]);
});

test('given one changed byte, the hash refuses it', async () => {
  const changed = Uint8Array.from(content, (byte, i) => (i === 3 ? byte ^ 1 : byte));
  expect(await receive(inPieces(changed, 4))).toEqual(['tuf-target-mismatch', content.length]);
  expect(isTarget(target, changed)).toBe(false);
});

test('given bytes at hand, length and every known hash decide', () => {
  expect(isTarget(target, content)).toBe(true);
  expect(isTarget(target, content.subarray(1))).toBe(false);
  const two = new Map([...target.hashes, ['sha512', '00']]);
  expect(isTarget({ ...target, hashes: two }, content)).toBe(false);
  expect(isTarget({ ...target, hashes: new Map([['md5', 'x']]) }, content)).toBe(false);
});

test('given a target, its digest is the name of its bytes, and no other hash makes one', () => {
  expect(digestOfTarget(target)).toBe(digestOf(content));
  expect(digestOfTarget({ ...target, hashes: new Map([['sha512', '00']]) })).toBeUndefined();
  expect(digestOfTarget({ ...target, hashes: new Map([['sha256', '../x']]) })).toBeUndefined();
});

test('given a body that fails on the way, its error passes through', async () => {
  const broken = (async function* (): AsyncIterable<Uint8Array> {
    yield content.subarray(0, 4);
    await Promise.reject(new Error('connection reset'));
  })();
  await expect(receive(broken)).rejects.toThrow('connection reset');
});
