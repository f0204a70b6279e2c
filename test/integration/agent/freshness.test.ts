import { describe, expect, it } from 'vitest';
import { initialUpdateState } from '../../../agent/core/update/update-state.ts';
import { AgentMemory } from '../../../agent/runner/agent-memory.ts';
import { FreshnessWatch } from '../../../agent/runner/freshness-watch.ts';
import { TrustedCatalogue } from '../../../agent/runner/trusted-catalogue.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { err } from '../../../shared/core/result.ts';
import { smokeBundle } from '../../../sim/scenarios/smoke-bundles.ts';
import { smokeRepository } from '../../../sim/scenarios/smoke-origin.ts';
import { MemoryDisk } from '../../../sim/world/memory-disk.ts';
import { SimClock, WorldTime } from '../../../sim/world/sim-clock.ts';
import { SimFetcher } from '../../../sim/world/sim-fetcher.ts';
import { TimeLoop } from '../../../sim/world/time-loop.ts';
import { silentLog } from '../../support/silent-ports.ts';

const minuteMs = 60_000;
const nowMs = Date.UTC(2026, 5, 1);

describe('a refresh of the metadata', () => {
  /** What the catalogue called fresh. */
  async function refreshing(change: (files: Map<string, Uint8Array>) => void = () => undefined) {
    const { root, files } = smokeRepository([smokeBundle({ version: '1.0.0' })], 'fresh');
    change(files);
    const clock = new SimClock(new WorldTime(), 'device');
    const loop: number[] = [];
    const catalogue = new TrustedCatalogue({
      ...{ disk: new MemoryDisk(), pinnedRoot: root },
      fetcher: new SimFetcher(async ({ path }) => {
        const body = files.get(path);
        return body === undefined
          ? { status: 404, headers: new Map(), body: new Uint8Array() }
          : { status: 200, headers: new Map(), body };
      }, clock),
      fresh: async (trustedNowMs) => void loop.push(trustedNowMs),
    });
    return { catalogue, fresh: loop };
  }

  it('when it ends well under trusted time, makes the device fresh at that time', async () => {
    const { catalogue, fresh } = await refreshing();
    expect((await catalogue.refresh({ kind: 'trusted', nowMs })).ok).toBe(true);
    expect(fresh).toEqual([nowMs]);
  });

  it('when only a lower bound of the time is known, makes nothing fresh', async () => {
    const { catalogue, fresh } = await refreshing();
    expect((await catalogue.refresh({ kind: 'at-least', nowMs })).ok).toBe(true);
    expect(fresh).toEqual([]);
  });

  it.each<[string, number, (files: Map<string, Uint8Array>) => void]>([
    ['the metadata has expired', Date.UTC(2031, 0, 1), () => undefined],
    ['no timestamp is there', nowMs, (files) => void files.delete('/tuf/timestamp.json')],
    [
      'the list of what is revoked cannot be fetched',
      nowMs,
      (files) => {
        for (const path of [...files.keys()]) {
          if (path.endsWith('.revoked.json')) files.delete(path);
        }
      },
    ],
  ])('when %s, makes nothing fresh', async (_title, atMs, change) => {
    const { catalogue, fresh } = await refreshing(change);
    expect((await catalogue.refresh({ kind: 'trusted', nowMs: atMs })).ok).toBe(false);
    expect(fresh).toEqual([]);
  });
});

/** A device without bundles, whose age alone is looked at. */
async function watching() {
  const disk = new MemoryDisk();
  const time = new WorldTime();
  const loop = new TimeLoop(time);
  const boot = async () => {
    const clock = new SimClock(time, 'device');
    const memory = await AgentMemory.open(disk, nowMs);
    const written: number[] = [];
    const watch = new FreshnessWatch({
      ...{ clock, log: silentLog, updates: () => ({ state: initialUpdateState }) },
      installer: {
        read: async () => err({ code: 'blob-missing', message: 'none', isFinal: false }),
      },
      memory: {
        get freshness() {
          return memory.freshness;
        },
        keepFreshness: (freshness) => {
          written.push(freshness.aliveMs);
          return memory.keepFreshness(freshness);
        },
      },
      trustedNowMs: () => undefined,
      changed: () => undefined,
    });
    const stop = new AbortController();
    const life = loop.track('watch', watch.run(stop.signal));
    return {
      watch,
      written,
      end: async () => {
        stop.abort();
        await loop.runUntil(life);
      },
    };
  };
  return { disk, loop, boot };
}

describe('the age of the metadata on disk', () => {
  it('when the power goes at any minute, at least half of what the boot lived is remembered', async () => {
    for (const minutes of [3, 7, 20, 100, 300]) {
      const { disk, loop, boot } = await watching();
      const before = await boot();
      await loop.runFor(minutes * minuteMs);
      disk.powerCut();
      const { watch } = await boot();
      expect(watch.ageMs, `${minutes} minutes`).toBeGreaterThanOrEqual((minutes / 2) * minuteMs);
      expect(watch.ageMs).toBeLessThanOrEqual(minutes * minuteMs);
      await before.end();
    }
  });

  it('when the device ends in order, all of what it lived is remembered', async () => {
    const { loop, boot } = await watching();
    const before = await boot();
    await loop.runFor(50 * minuteMs);
    await before.end();
    expect((await boot()).watch.ageMs).toBe(50 * minuteMs);
  });

  it('when metadata is refreshed every quarter of an hour, flash is written twice an hour at most', async () => {
    const { loop, boot } = await watching();
    const { watch, written, end } = await boot();
    const hours = 24;
    for (let quarter = 0; quarter < 4 * hours; quarter += 1) {
      await loop.runFor(15 * minuteMs);
      await watch.refreshed(nowMs + quarter * 15 * minuteMs);
      expect(watch.ageMs).toBe(0);
    }
    const firstLooks = Math.log2(limits.freshnessLookMs / limits.freshnessFirstLookMs) + 1;
    expect(written.length).toBeLessThanOrEqual(2 * hours + firstLooks + 1);
    await end();
  });

  it('when fresh metadata comes to a device that was old, the next boot is young', async () => {
    const { disk, loop, boot } = await watching();
    const { watch, end } = await boot();
    await loop.runFor(600 * minuteMs);
    await watch.refreshed(nowMs);
    disk.powerCut();
    expect((await boot()).watch.ageMs).toBe(0);
    await end();
  });
});
