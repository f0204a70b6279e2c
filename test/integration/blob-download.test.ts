import { describe, expect, it } from 'vitest';
import { decideBackoffMs } from '../../agent/core/download/backoff.ts';
import { blobPath, partPath } from '../../agent/core/store/store-path.ts';
import { type BlobRequest, downloadBlob } from '../../agent/runner/blob-download.ts';
import { ByteBudget } from '../../agent/runner/byte-budget.ts';
import { digestOfFile } from '../../agent/runner/file-hash.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import { createPrng } from '../../shared/core/prng.ts';
import { digestOf, sha256 } from '../../shared/trust/hash.ts';
import { MemoryDisk, PowerCut } from '../../sim/world/memory-disk.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import {
  type OriginHandler,
  type OriginResponse,
  SimFetcher,
} from '../../sim/world/sim-fetcher.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';
import { TimeLoop } from '../../sim/world/time-loop.ts';

const mib = limits.blobChunkBytes;
const blob = (() => {
  const prng = createPrng('blob');
  return Uint8Array.from({ length: 3 * mib + 1234 }, () => prng.nextBelow(256));
})();
const digest = digestOf(blob);
const chunks = Array.from({ length: 4 }, (_, i) =>
  hexOf(sha256(blob.subarray(i * mib, (i + 1) * mib))),
);

const reply = (
  status: number,
  body: Uint8Array = new Uint8Array(0),
  headers: Readonly<Record<string, string>> = {},
): OriginResponse => ({ status, headers: new Map(Object.entries(headers)), body });

/** An origin that serves `bytes` with ranges, as the server's blob route does. */
const serving =
  (bytes: Uint8Array): OriginHandler =>
  async ({ headers }) => {
    const from = /^bytes=(\d+)-$/.exec(headers.get('range') ?? '')?.[1];
    if (from === undefined) return reply(200, bytes);
    const start = Number(from);
    if (start >= bytes.length) return reply(416);
    return reply(206, bytes.slice(start), {
      'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
    });
  };

interface Setting {
  readonly origin?: OriginHandler;
  readonly disk?: MemoryDisk;
  readonly capBytes?: number;
  readonly startWallMs?: number;
}

async function openWorld(setting: Setting = {}) {
  const time = new WorldTime(setting.startWallMs);
  const clock = new SimClock(time, 'device');
  const disk = setting.disk ?? new MemoryDisk();
  const asked: (string | undefined)[] = [];
  const origin = setting.origin ?? serving(blob);
  const fetcher = new SimFetcher(async (request) => {
    asked.push(request.headers.get('range'));
    return origin(request);
  }, clock);
  const loop = new TimeLoop(time);
  const budget = await ByteBudget.open({
    disk,
    clock,
    path: 'state/bytes.json',
    bytesPerMonthMax: setting.capBytes,
  });
  const world = { disk, fetcher, clock, random: new SimRandom('download'), budget };
  const download = (changes: Partial<BlobRequest> = {}) =>
    loop.runUntil(
      downloadBlob(world, {
        digest,
        bytes: blob.length,
        path: `/v2/filetype/blobs/${digest}`,
        chunks,
        timeoutMs: 3_600_000,
        ...changes,
      }),
    );
  return { disk, fetcher, clock, loop, budget, asked, download };
}

const partBytes = (disk: MemoryDisk) => disk.size(partPath(digest));
const withoutChunks = { chunks: [] };

describe('downloadBlob', () => {
  it('when the way is clear, the blob stands whole under its name and nothing else is left', async () => {
    const { disk, download, asked } = await openWorld();
    expect(await download()).toEqual({
      ok: true,
      value: { fetchedBytes: blob.length, resumedBytes: 0 },
    });
    expect(await digestOfFile(disk, blobPath(digest))).toBe(digest);
    expect(await partBytes(disk)).toBeUndefined();
    expect(asked).toEqual([undefined]);
    expect(await download()).toEqual({ ok: true, value: { fetchedBytes: 0, resumedBytes: 0 } });
    expect(asked).toHaveLength(1);
  });

  it('when the connection breaks, goes on from the last verified chunk', async () => {
    const { disk, fetcher, download, asked } = await openWorld();
    fetcher.faults.truncateAfterBytes = mib + 700_000;
    const result = await download();
    expect(result).toMatchObject({ ok: true, value: { resumedBytes: 0 } });
    expect(asked).toEqual([undefined, `bytes=${mib}-`, `bytes=${2 * mib}-`]);
    expect(await disk.size(blobPath(digest))).toBe(blob.length);
  });

  it('without chunk hashes, goes on from the very byte', async () => {
    const { fetcher, download, asked } = await openWorld();
    fetcher.faults.truncateAfterBytes = 2_000_000;
    expect(await download(withoutChunks)).toMatchObject({
      ok: true,
      value: { fetchedBytes: blob.length },
    });
    expect(asked).toEqual([undefined, 'bytes=2000000-']);
  });

  it('when the power goes at any step, nothing half stands under the final name, and the next try resumes', async () => {
    let resumed = 0;
    for (let step = 1; ; step += 1) {
      const disk = new MemoryDisk();
      disk.faults.powerCutAtStep = step;
      const first = await openWorld({ disk });
      const cut = await first.download().then(
        () => false,
        (error: unknown) => {
          expect(error).toBeInstanceOf(PowerCut);
          return true;
        },
      );
      disk.powerCut(createPrng(`download-${step}`));
      expect([undefined, blob.length]).toContain(await disk.size(blobPath(digest)));
      const second = await openWorld({ disk });
      const result = await second.download();
      expect(result.ok).toBe(true);
      if (result.ok && result.value.resumedBytes > 0) resumed += 1;
      expect(await digestOfFile(disk, blobPath(digest))).toBe(digest);
      if (!cut) break;
    }
    expect(resumed).toBeGreaterThan(0);
  });

  it('when what is on disk has rotted, keeps the chunks before it and fetches the rest again', async () => {
    const { disk, download, asked } = await openWorld();
    await disk.append(partPath(digest), blob.slice(0, 2 * mib + 5000), { durable: true });
    disk.flipBit(partPath(digest), (mib + 17) * 8);
    expect(await download()).toMatchObject({ ok: true, value: { resumedBytes: mib } });
    expect(asked).toEqual([`bytes=${mib}-`]);
  });

  it('when rot on disk shows only in the whole, starts over once', async () => {
    const { disk, download, asked } = await openWorld();
    await disk.append(partPath(digest), blob.slice(0, 2 * mib), { durable: true });
    disk.flipBit(partPath(digest), 99);
    expect((await download(withoutChunks)).ok).toBe(true);
    expect(asked).toEqual([`bytes=${2 * mib}-`, undefined]);
  });

  it('when something longer than the blob lies there, cuts it to what it should be', async () => {
    const { disk, download } = await openWorld();
    await disk.append(partPath(digest), new Uint8Array(blob.length + 10), { durable: true });
    expect((await download()).ok).toBe(true);
    await disk.remove(blobPath(digest));
    await disk.append(blobPath(digest), new Uint8Array(3), { durable: true });
    expect((await download()).ok).toBe(true);
    expect(await disk.size(blobPath(digest))).toBe(blob.length);
  });

  it('when a bit flips on the way, keeps no wrong chunk and asks again from it', async () => {
    let isFirst = true;
    const { fetcher, download, asked } = await openWorld({
      origin: async (request) => {
        fetcher.faults.flipByteAt = isFirst ? mib + 5 : undefined;
        isFirst = false;
        return serving(blob)(request);
      },
    });
    expect((await download()).ok).toBe(true);
    expect(asked).toEqual([undefined, `bytes=${mib}-`]);
  });

  it('when the origin serves other bytes, gives up after a few and leaves nothing of them', async () => {
    for (const request of [{}, withoutChunks]) {
      const wrong = blob.slice();
      wrong[5] = (wrong[5] ?? 0) ^ 1;
      const { disk, download, asked } = await openWorld({ origin: serving(wrong) });
      expect(await download(request)).toEqual({
        ok: false,
        error: { code: 'blob-digest-mismatch', facts: {} },
      });
      expect(asked).toHaveLength(limits.blobCorruptionsMax);
      expect(await partBytes(disk)).toBeUndefined();
      expect(await disk.size(blobPath(digest))).toBeUndefined();
    }
  });

  it('when the origin answers a range with the whole, starts over from it', async () => {
    const { disk, download } = await openWorld({ origin: async () => reply(200, blob) });
    await disk.append(partPath(digest), blob.slice(0, 2 * mib), { durable: true });
    expect(await download()).toMatchObject({ ok: true, value: { fetchedBytes: blob.length } });
  });

  it('when the origin answers with another range, or encoded, or more than was signed, stops at once', async () => {
    const cases: readonly [OriginResponse, string][] = [
      [
        reply(206, blob, { 'content-range': `bytes 5-${blob.length - 1}/${blob.length}` }),
        'range-mismatch',
      ],
      [reply(200, blob, { 'content-encoding': 'gzip' }), 'content-encoding-refused'],
      [reply(200, new Uint8Array(blob.length + 1)), 'response-too-large'],
      [reply(302, blob, { location: '/elsewhere' }), 'redirect-refused'],
    ];
    for (const [answer, code] of cases) {
      const { disk, download, asked } = await openWorld({ origin: async () => answer });
      if (code === 'range-mismatch') {
        await disk.append(partPath(digest), blob.slice(0, mib), { durable: true });
      }
      expect(await download(withoutChunks)).toMatchObject({ ok: false, error: { code } });
      expect(asked).toHaveLength(1);
      expect(await disk.size(blobPath(digest))).toBeUndefined();
    }
  });

  it('when the origin refuses with 4xx, ends the attempt with the status', async () => {
    for (const status of [400, 401, 403, 404, 410]) {
      const { download, asked } = await openWorld({ origin: async () => reply(status) });
      expect(await download()).toEqual({
        ok: false,
        error: { code: 'blob-refused', facts: { status } },
      });
      expect(asked).toHaveLength(1);
    }
  });

  it('when the origin knows fewer bytes than lie here, starts over', async () => {
    let isFirst = true;
    const { disk, download } = await openWorld({
      origin: async (request) => {
        const answer = isFirst ? reply(416) : await serving(blob)(request);
        isFirst = false;
        return answer;
      },
    });
    await disk.append(partPath(digest), blob.slice(0, mib), { durable: true });
    expect(await download()).toMatchObject({ ok: true, value: { fetchedBytes: blob.length } });
  });

  it('when the origin fails for a while, backs off and obeys its Retry-After', async () => {
    let calls = 0;
    const { clock, download, asked } = await openWorld({
      origin: async (request) => {
        calls += 1;
        if (calls === 1) return reply(503, undefined, { 'retry-after': '100' });
        if (calls === 2) return reply(429);
        return serving(blob)(request);
      },
    });
    expect((await download()).ok).toBe(true);
    expect(asked).toHaveLength(3);
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(100_000);
  });

  it('when the origin goes on failing, gives up after a bounded number of tries', async () => {
    const { download, asked } = await openWorld({ origin: async () => reply(500) });
    expect(await download()).toEqual({
      ok: false,
      error: { code: 'blob-unavailable', facts: { tries: limits.blobTriesMax } },
    });
    expect(asked).toHaveLength(limits.blobTriesMax);
  });

  it('when there is no network, says so after the tries', async () => {
    const { fetcher, download } = await openWorld();
    fetcher.faults.isCut = true;
    expect(await download()).toMatchObject({ ok: false, error: { code: 'fetch-failed' } });
  });

  it('when each connection brings a little, a long blob arrives although it fails often', async () => {
    const { fetcher, download, asked } = await openWorld();
    fetcher.faults.truncateAfterBytes = 200_000;
    expect((await download(withoutChunks)).ok).toBe(true);
    expect(asked.length).toBeGreaterThan(limits.blobTriesMax);
  });

  it('when the deadline passes, ends and keeps what is verified for the next time', async () => {
    const { disk, fetcher, download } = await openWorld();
    fetcher.faults.bytesPerSecond = 100_000;
    expect(await download({ timeoutMs: 15_000 })).toMatchObject({
      ok: false,
      error: { code: 'download-deadline' },
    });
    expect(await partBytes(disk)).toBe(mib);
    fetcher.faults.bytesPerSecond = Number.POSITIVE_INFINITY;
    expect(await download()).toMatchObject({ ok: true, value: { resumedBytes: mib } });
  });

  it('when the link crawls below the minimum speed, cuts it, and says so in the end', async () => {
    const { fetcher, download, asked } = await openWorld();
    fetcher.faults.bytesPerSecond = 100;
    expect(await download()).toMatchObject({ ok: false, error: { code: 'download-too-slow' } });
    expect(asked).toHaveLength(limits.blobTriesMax);
  });

  it('when the caller calls it off, ends and keeps what is verified', async () => {
    const stop = new AbortController();
    const { disk, fetcher, clock, download } = await openWorld();
    fetcher.faults.bytesPerSecond = 100_000;
    void clock.sleepUntil(12_000).then(() => {
      stop.abort();
    });
    expect(await download({ signal: stop.signal })).toMatchObject({
      ok: false,
      error: { code: 'fetch-cancelled' },
    });
    expect(await partBytes(disk)).toBe(mib);
    expect(clock.monotonicMs()).toBeLessThan(13_000);
    expect(await download({ signal: stop.signal })).toMatchObject({ ok: false });
  });

  it('when there is no room, says how much is missing before it fetches a byte', async () => {
    const disk = new MemoryDisk({ capacityBytes: limits.diskReserveBytes + blob.length - 1 });
    const { download, asked } = await openWorld({ disk });
    expect(await download()).toEqual({
      ok: false,
      error: {
        code: 'disk-full',
        facts: {
          neededBytes: blob.length,
          freeBytes: limits.diskReserveBytes + blob.length - 1,
          reserveBytes: limits.diskReserveBytes,
        },
      },
    });
    expect(asked).toEqual([]);
  });

  it('when the room is taken away on the way, ends with disk-full', async () => {
    const disk = new MemoryDisk();
    const { download } = await openWorld({
      disk,
      origin: async (request) => {
        disk.faults.capacityBytes = 2 * mib;
        return serving(blob)(request);
      },
    });
    expect(await download()).toMatchObject({ ok: false, error: { code: 'disk-full' } });
  });

  it('when the blob is empty or smaller than a chunk, fetches it as well', async () => {
    for (const bytes of [new Uint8Array(0), blob.slice(0, 10), blob.slice(0, mib)]) {
      const { disk, download } = await openWorld({ origin: serving(bytes) });
      const of = digestOf(bytes);
      expect((await download({ digest: of, bytes: bytes.length, ...withoutChunks })).ok).toBe(true);
      expect(await digestOfFile(disk, blobPath(of))).toBe(of);
    }
  });
});

describe('ByteBudget', () => {
  it('when the monthly cap is reached, stops, keeps what came, and goes on in the next month', async () => {
    const disk = new MemoryDisk();
    const capBytes = 2 * mib + 100;
    const november = Date.UTC(2026, 10, 21);
    const first = await openWorld({ disk, capBytes, startWallMs: november });
    const stopped = await first.download();
    expect(stopped).toMatchObject({ error: { code: 'byte-cap-reached', facts: { capBytes } } });
    expect(await partBytes(disk)).toBe(2 * mib);
    // Another start in the same month, or a clock set back, does not refill it.
    for (const startWallMs of [november, Date.UTC(2026, 9, 1)]) {
      const again = await openWorld({ disk, capBytes, startWallMs });
      expect(await again.download()).toMatchObject({ error: { code: 'byte-cap-reached' } });
      expect(again.asked).toEqual([]);
    }
    const december = await openWorld({ disk, capBytes, startWallMs: Date.UTC(2026, 11, 1) });
    expect(await december.download()).toMatchObject({ ok: true, value: { resumedBytes: 2 * mib } });
    expect(december.budget.usedBytes).toBe(mib + 1234);
  });

  it('when the device restarts, knows the exact sum; after a crash, never less', async () => {
    const disk = new MemoryDisk();
    const capBytes = 1024 * mib;
    const first = await openWorld({ disk, capBytes });
    await first.download();
    expect((await openWorld({ disk, capBytes })).budget.usedBytes).toBe(blob.length);
    await first.budget.charge(1000);
    const crashed = (await openWorld({ disk, capBytes })).budget.usedBytes;
    expect(crashed).toBeGreaterThanOrEqual(blob.length + 1000);
    expect(crashed).toBeLessThanOrEqual(blob.length + 1000 + limits.byteBudgetStepBytes);
  });

  it('when no cap was set, writes its sum once for many downloads and never shows less', async () => {
    const disk = new MemoryDisk();
    const first = await openWorld({ disk });
    await first.download();
    expect(first.budget.usedBytes).toBe(blob.length);
    const shown = (await openWorld({ disk })).budget.usedBytes;
    expect(shown).toBeGreaterThanOrEqual(blob.length);
    expect(shown).toBeLessThanOrEqual(blob.length + limits.byteBudgetStepBytes);
  });
});

describe('decideBackoffMs', () => {
  it('grows the span by two up to its cap, jitters over all of it, and waits as long as it was asked to', () => {
    const most = (failures: number) => decideBackoffMs(failures, 1, undefined);
    expect([1, 2, 3].map(most)).toEqual([1000, 2000, 4000]);
    expect(most(50)).toBe(limits.blobBackoffMaxMs);
    expect(decideBackoffMs(5, 0, undefined)).toBe(0);
    expect(decideBackoffMs(1, 0.5, 9000)).toBe(9000);
  });
});
