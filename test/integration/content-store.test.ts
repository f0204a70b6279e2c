import { describe, expect, it } from 'vitest';
import {
  blobPath,
  partPath,
  type SlotName,
  slotFolder,
} from '../../agent/core/store/store-path.ts';
import { collectGarbage } from '../../agent/runner/collect-garbage.ts';
import { ContentStore } from '../../agent/runner/content-store.ts';
import { type ScrubFinding, scrubStore } from '../../agent/runner/scrub-store.ts';
import { SlotStore } from '../../agent/runner/slot-store.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import type { AppName, Digest } from '../../shared/core/ids.ts';
import { createPrng } from '../../shared/core/prng.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import { MemoryDisk, PowerCut } from '../../sim/world/memory-disk.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { TimeLoop } from '../../sim/world/time-loop.ts';

const app = 'filetype' as AppName;
const content = {
  manifest1: utf8('manifest one'),
  manifest2: utf8('manifest two'),
  graph1: utf8('graph one'),
  graph2: utf8('graph two'),
  tensor: new Uint8Array(5000).fill(7),
};
const fileOf = (name: string, bytes: Uint8Array) => ({
  name,
  digest: digestOf(bytes),
  bytes: bytes.length,
});
const slot1: SlotName = { app, digest: digestOf(content.manifest1) };
const slot2: SlotName = { app, digest: digestOf(content.manifest2) };
const files1 = [fileOf('graph.onnx', content.graph1), fileOf('w.bin', content.tensor)];
const files2 = [fileOf('graph.onnx', content.graph2), fileOf('w.bin', content.tensor)];
const tensor = digestOf(content.tensor);

async function openStore(disk = new MemoryDisk()) {
  const store = new ContentStore(disk);
  const slots = new SlotStore(disk, store);
  return { disk, store, slots };
}

async function openBoth(disk = new MemoryDisk()) {
  const opened = await openStore(disk);
  for (const bytes of Object.values(content)) await opened.store.putBlob(bytes);
  await opened.slots.stage(slot1, files1);
  await opened.slots.stage(slot2, files2);
  return opened;
}

const noRoots = { slots: [], downloads: [], refused: [] };

describe('ContentStore', () => {
  it('when a blob is stored, it is found by its content and read back verified', async () => {
    const { store } = await openStore();
    const digest = await store.putBlob(content.graph1);
    expect(digest).toBe(digestOf(content.graph1));
    expect(await store.readBlob(digest, { bytesMax: 100 })).toEqual({
      ok: true,
      value: content.graph1,
    });
    expect(await store.missingOf([digest, tensor])).toEqual([tensor]);
  });

  it('when a blob has rotted, it is unlinked and counts as missing from then on', async () => {
    const { disk, store } = await openStore();
    for (const read of [
      (digest: Digest) => store.checkBlob(digest),
      (digest: Digest) => store.readBlob(digest, { bytesMax: 10_000 }),
    ]) {
      const digest = await store.putBlob(content.tensor);
      expect(await store.checkBlob(digest)).toMatchObject({ ok: true });
      disk.flipBit(blobPath(digest), 4999 * 8);
      expect(await read(digest)).toEqual({ ok: false, error: { code: 'blob-corrupt', digest } });
      expect(await read(digest)).toEqual({ ok: false, error: { code: 'blob-missing', digest } });
    }
  });
});

describe('SlotStore', () => {
  it('when two slots share a blob, it is on disk once; staging again changes nothing', async () => {
    const { disk, slots } = await openBoth();
    const before = await disk.freeBytes();
    const steps = disk.steps;
    expect(await slots.stage(slot1, files1)).toMatchObject({ ok: true });
    expect(disk.steps).toBe(steps);
    expect(await disk.freeBytes()).toBe(before);
    expect(1024 * 1024 * 1024 - before).toBeLessThan(2 * content.tensor.length);
    expect(await slots.checkSlot(slot1)).toMatchObject({ ok: true });
  });

  it('when a blob is missing or a name is not bare or not single, stages nothing', async () => {
    const { disk, slots, store } = await openStore();
    await store.putBlob(content.graph1);
    expect(await slots.stage(slot1, files1)).toEqual({
      ok: false,
      error: { code: 'blob-missing', digest: tensor },
    });
    for (const names of [['..'], ['.'], ['slot.json'], ['a/b'], ['.tmp-x'], ['a', 'a'], ['']]) {
      const files = names.map((name) => fileOf(name, content.graph1));
      expect(await slots.stage(slot1, files)).toMatchObject({
        error: { code: 'slot-name-refused' },
      });
    }
    expect(disk.paths().filter((path) => path.startsWith('slots/'))).toEqual([]);
  });

  it('when leftovers of a cut staging lie in the slot, none of them stays', async () => {
    const { disk, store, slots } = await openStore();
    for (const bytes of Object.values(content)) await store.putBlob(bytes);
    await disk.append(`${slotFolder(slot1)}/graph.onnx`, utf8('half'), { durable: true });
    await disk.append(`${slotFolder(slot1)}/other.bin`, utf8('more'), { durable: true });
    expect(await slots.stage(slot1, files1)).toMatchObject({ ok: true });
    expect(await disk.list(slotFolder(slot1))).toEqual(['graph.onnx', 'slot.json', 'w.bin']);
    expect(await disk.read(`${slotFolder(slot1)}/graph.onnx`, { bytesMax: 99 })).toEqual(
      content.graph1,
    );
  });

  it('when the power goes at any step of staging and protecting, the slot is whole or not there', async () => {
    for (let step = 1; ; step += 1) {
      const disk = new MemoryDisk();
      const { store, slots } = await openStore(disk);
      for (const bytes of Object.values(content)) await store.putBlob(bytes);
      disk.faults.powerCutAtStep = disk.steps + step;
      const cut = await (async () => {
        await slots.stage(slot1, files1);
        await slots.stage(slot2, files2);
        await slots.protect(slot1, slot2);
      })().then(
        () => false,
        (error: unknown) => {
          expect(error).toBeInstanceOf(PowerCut);
          return true;
        },
      );
      disk.powerCut(createPrng(`slots-${step}`));
      for (const slot of [slot1, slot2]) {
        const checked = await slots.checkSlot(slot);
        if (!checked.ok) expect(checked.error.code).toBe('slot-incomplete');
      }
      await slots.stage(slot1, files1);
      await slots.stage(slot2, files2);
      expect(await slots.checkSlot(slot1)).toMatchObject({ ok: true });
      expect(await slots.checkSlot(slot2)).toMatchObject({ ok: true });
      expect(await slots.protect(slot1, slot2)).toEqual({ ok: true, value: 'full' });
      if (!cut) break;
    }
  });

  it('when last-good is protected, rot under the active slot does not reach it, and it repairs the rest', async () => {
    const { disk, slots, store } = await openBoth();
    expect(await slots.protect(slot1, slot2)).toEqual({ ok: true, value: 'full' });
    disk.flipBit(`${slotFolder(slot2)}/w.bin`, 9);
    expect(await slots.checkSlot(slot2)).toMatchObject({
      ok: false,
      error: { code: 'blob-corrupt', digest: tensor, name: 'w.bin' },
    });
    expect(await store.hasBlob(tensor)).toBe(false);
    expect(await slots.checkSlot(slot1)).toMatchObject({ ok: true });
    // The good copy gave the blob back, so the broken slot is staged again without the network.
    expect(await store.checkBlob(tensor)).toMatchObject({ ok: true });
    expect(await slots.stage(slot2, files2)).toMatchObject({ ok: true });
    expect(await slots.checkSlot(slot2)).toMatchObject({ ok: true });
  });

  it('when last-good is not protected, rot takes both, and both say what to fetch', async () => {
    const { disk, slots } = await openBoth();
    disk.flipBit(`${slotFolder(slot2)}/w.bin`, 9);
    for (const slot of [slot1, slot2]) {
      expect(await slots.checkSlot(slot)).toMatchObject({
        error: { code: 'blob-corrupt', digest: tensor },
      });
      expect(await slots.checkSlot(slot)).toMatchObject({ error: { code: 'slot-incomplete' } });
    }
  });

  it('when only the slot file has rotted, it is put right from the blob', async () => {
    const { disk, slots } = await openBoth();
    await slots.protect(slot1, slot2);
    disk.flipBit(`${slotFolder(slot1)}/w.bin`, 9);
    expect(await slots.checkSlot(slot1)).toMatchObject({ ok: true });
    expect(await slots.checkSlot(slot1)).toMatchObject({ ok: true });
  });

  it('when there is no room for copies, says shared and leaves everything as it was', async () => {
    const { disk, slots } = await openBoth();
    disk.faults.capacityBytes = 20_000;
    expect(await slots.protect(slot1, slot2)).toEqual({ ok: true, value: 'shared' });
    expect(await slots.checkSlot(slot1)).toMatchObject({ ok: true });
  });

  it('where links do not work, slots are copies and say so', async () => {
    const disk = new MemoryDisk();
    disk.faults.refusesLinks = true;
    const { slots } = await openBoth(disk);
    const index = await slots.readIndex(slot1);
    expect(index?.files.every(({ isOwn }) => isOwn)).toBe(true);
    expect(await slots.protect(slot1, slot2)).toEqual({ ok: true, value: 'full' });
  });
});

describe('collectGarbage', () => {
  it('when a slot is no root, takes it and only the blobs nobody else holds', async () => {
    const { disk, slots } = await openBoth();
    await disk.append(partPath(tensor), utf8('half'), { durable: true });
    const garbage = await collectGarbage(disk, slots, { ...noRoots, slots: [slot2] });
    expect(garbage.slots).toEqual([slot1]);
    expect(garbage.blobs).toEqual([digestOf(content.graph1), slot1.digest].sort());
    expect(garbage.parts).toEqual([tensor]);
    expect(await slots.checkSlot(slot2)).toMatchObject({ ok: true });
    expect(await slots.readIndex(slot1)).toBeUndefined();
    expect((await collectGarbage(disk, slots, { ...noRoots, slots: [slot2] })).blobs).toEqual([]);
  });

  it('when a blob or part is being fetched, or its bundle was refused, it stays', async () => {
    const { disk, slots, store } = await openBoth();
    await disk.append(partPath(tensor), utf8('half'), { durable: true });
    const garbage = await collectGarbage(disk, slots, {
      slots: [],
      downloads: [tensor],
      refused: [slot1.digest],
    });
    expect(garbage.parts).toEqual([]);
    expect(await store.hasBlob(tensor)).toBe(true);
    expect(await store.hasBlob(slot1.digest)).toBe(true);
    expect(await store.hasBlob(slot2.digest)).toBe(false);
  });

  it('when a slot that stays cannot say what it holds, takes no blob at all', async () => {
    const { disk, slots, store } = await openBoth();
    disk.flipBit(`${slotFolder(slot2)}/slot.json`, 3);
    const garbage = await collectGarbage(disk, slots, { ...noRoots, slots: [slot2] });
    expect(garbage).toMatchObject({ slots: [slot1], blobs: [], unreadable: [slot2] });
    expect(await store.hasBlob(digestOf(content.graph2))).toBe(true);
  });

  it('when the power goes at any step, what stays is still whole', async () => {
    for (let step = 1; ; step += 1) {
      const { disk, slots } = await openBoth();
      disk.faults.powerCutAtStep = disk.steps + step;
      const roots = { ...noRoots, slots: [slot2] };
      const cut = await collectGarbage(disk, slots, roots).then(
        () => false,
        (error: unknown) => {
          expect(error).toBeInstanceOf(PowerCut);
          return true;
        },
      );
      disk.powerCut(createPrng(`garbage-${step}`));
      expect(await slots.checkSlot(slot2)).toMatchObject({ ok: true });
      await collectGarbage(disk, slots, roots);
      expect(disk.paths().filter((path) => path.startsWith(slotFolder(slot1)))).toEqual([]);
      if (!cut) break;
    }
  });
});

describe('scrubStore', () => {
  async function scrub(opened: Awaited<ReturnType<typeof openBoth>>, abortAfter = Infinity) {
    const time = new WorldTime();
    const clock = new SimClock(time, 'scrub');
    const stop = new AbortController();
    const findings: ScrubFinding[] = [];
    const work = (async () => {
      const options = {
        disk: opened.disk,
        clock,
        content: opened.store,
        slots: opened.slots,
        watched: [slot1, slot2],
        bytesPerSecond: 1000,
        signal: stop.signal,
      };
      for await (const finding of scrubStore(options)) {
        findings.push(finding);
        if (findings.length === abortAfter) stop.abort();
      }
    })();
    await new TimeLoop(time).runUntil(work);
    return { findings, seconds: clock.monotonicMs() / 1000 };
  }

  it('when everything is whole, says so at the pace it was given', async () => {
    const opened = await openBoth();
    const { findings, seconds } = await scrub(opened);
    expect(findings.map(({ kind }) => kind)).toEqual([
      ...new Array<string>(5).fill('blob-intact'),
      'slot-intact',
      'slot-intact',
    ]);
    const blobs = Object.values(content).reduce((sum, bytes) => sum + bytes.length, 0);
    const read = blobs + 2 * (content.tensor.length + content.graph1.length);
    expect(seconds).toBeGreaterThanOrEqual(read / 1000);
    expect(seconds).toBeLessThan(read / 1000 + 1);
  });

  it('when a shared blob has rotted, removes it and names the slots it broke', async () => {
    const opened = await openBoth();
    await opened.slots.protect(slot1, slot2);
    opened.disk.flipBit(blobPath(tensor), 77);
    const { findings } = await scrub(opened);
    expect(findings).toContainEqual({ kind: 'blob-removed', digest: tensor });
    expect(findings).toContainEqual({ kind: 'slot-intact', slot: slot1 });
    // Last-good's own copy gave the blob back before the broken slot was looked at: it heals at once.
    expect(findings).toContainEqual({ kind: 'slot-intact', slot: slot2 });
  });

  it('when rot has taken the only copy, says that the slot is broken', async () => {
    const opened = await openBoth();
    opened.disk.flipBit(blobPath(digestOf(content.graph2)), 1);
    const { findings } = await scrub(opened);
    expect(findings).toContainEqual({
      kind: 'slot-broken',
      slot: slot2,
      failure: { code: 'blob-corrupt', digest: digestOf(content.graph2), name: 'graph.onnx' },
    });
  });

  it('when it is called off, ends', async () => {
    const { findings } = await scrub(await openBoth(), 2);
    expect(findings).toHaveLength(2);
  });
});
