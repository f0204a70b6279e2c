import { describe, expect, test } from 'vitest';
import type { BlobStore } from '../../fleet-server/ports/blob-store.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { concatBytes, equalBytes, utf8 } from '../../shared/core/bytes.ts';
import { digestOf } from '../../shared/trust/hash.ts';

export interface BlobStoreUnderTest {
  readonly store: BlobStore;
  /** A new store on what is durable. */
  readonly reopen: () => Promise<BlobStoreUnderTest>;
  readonly dispose: () => Promise<void>;
}

const small = utf8('a small blob');
/** Three pieces and a bit, so that piece boundaries show. */
const large = new Uint8Array(3 * limits.blobPieceBytes + 17).map((_, at) => (at * 31) & 255);
const bytesMax = large.length;

async function* parts(...pieces: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  for (const piece of pieces) yield piece;
}

async function* breaking(): AsyncIterable<Uint8Array> {
  yield small;
  await Promise.resolve();
  throw new Error('the sender died');
}

const readAll = async (body: AsyncIterable<Uint8Array> | undefined): Promise<Uint8Array> => {
  const read: Uint8Array[] = [];
  for await (const part of body ?? parts()) read.push(part);
  return concatBytes(read);
};

/** What every BlobStore promises. */
export function blobStoreSuite(name: string, open: () => Promise<BlobStoreUnderTest>): void {
  const withStore = async (
    body: (store: BlobStore, whole: BlobStoreUnderTest) => Promise<void>,
  ): Promise<void> => {
    const whole = await open();
    try {
      await body(whole.store, whole);
    } finally {
      await whole.dispose();
    }
  };

  describe(`BlobStore: ${name}`, () => {
    test('when a blob was put, it is there with its size, whole, and after a reopen', () =>
      withStore(async (store, whole) => {
        const digest = digestOf(large);
        const cut = large.length - 5;
        const put = await store.put(digest, parts(large.slice(0, cut), large.slice(cut)), {
          bytesMax,
        });
        expect(put).toEqual({ ok: true, value: large.length });
        expect(await store.size(digest)).toBe(large.length);
        expect(equalBytes(await readAll(await store.read(digest)), large)).toBe(true);
        const again = await whole.reopen();
        expect(equalBytes(await readAll(await again.store.read(digest)), large)).toBe(true);
      }));

    test('when a range is read, exactly its bytes come, and only those that are there', () =>
      withStore(async (store) => {
        const digest = digestOf(large);
        await store.put(digest, parts(large), { bytesMax });
        const from = limits.blobPieceBytes - 3;
        const middle = await readAll(await store.read(digest, { from, length: 10 }));
        expect(middle).toEqual(large.slice(from, from + 10));
        const end = { from: large.length - 4, length: 100 };
        expect(await readAll(await store.read(digest, end))).toEqual(large.slice(-4));
      }));

    test('when bytes are not what the digest names, nothing is kept', () =>
      withStore(async (store) => {
        const digest = digestOf(large);
        expect(await store.put(digest, parts(small), { bytesMax })).toMatchObject({
          error: { code: 'upload-digest-mismatch' },
        });
        expect(await store.size(digest)).toBeUndefined();
        expect(await store.size(digestOf(small))).toBeUndefined();
      }));

    test('when more comes than is allowed, it is refused; exactly as much is taken', () =>
      withStore(async (store) => {
        const digest = digestOf(small);
        const short = { bytesMax: small.length - 1 };
        expect(await store.put(digest, parts(small), short)).toMatchObject({
          error: { code: 'too-large' },
        });
        expect(await store.size(digest)).toBeUndefined();
        const exact = { bytesMax: small.length };
        expect(await store.put(digest, parts(small), exact)).toMatchObject({ ok: true });
      }));

    test('when the sender breaks off, its error passes through and nothing is kept', () =>
      withStore(async (store) => {
        const digest = digestOf(small);
        await expect(store.put(digest, breaking(), { bytesMax })).rejects.toThrow('sender died');
        expect(await store.size(digest)).toBeUndefined();
        expect(await store.put(digest, parts(small), { bytesMax })).toMatchObject({ ok: true });
      }));

    test('when a blob is put twice at once and again, it is there once', () =>
      withStore(async (store) => {
        const digest = digestOf(small);
        const put = () => store.put(digest, parts(small), { bytesMax });
        expect(await Promise.all([put(), put()])).toEqual([
          { ok: true, value: small.length },
          { ok: true, value: small.length },
        ]);
        expect(await put()).toMatchObject({ ok: true });
        expect(await readAll(await store.read(digest))).toEqual(small);
      }));

    test('when a blob is removed, it is gone; what was never there says so', () =>
      withStore(async (store) => {
        const digest = digestOf(small);
        await store.put(digest, parts(small), { bytesMax });
        expect(await store.remove(digest)).toBe(true);
        expect(await store.remove(digest)).toBe(false);
        expect(await store.read(digest)).toBeUndefined();
        expect(await store.read(digest, { from: 0, length: 1 })).toBeUndefined();
      }));

    test('when the blob is empty, it is a blob like any other', () =>
      withStore(async (store) => {
        const digest = digestOf(new Uint8Array());
        expect(await store.put(digest, parts(), { bytesMax })).toEqual({ ok: true, value: 0 });
        expect(await store.size(digest)).toBe(0);
        expect(await readAll(await store.read(digest))).toHaveLength(0);
      }));
  });
}
