import { expect, test } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import { smokeApp } from '../../../sim/scenarios/smoke-bundles.ts';
import { SmokeFleet } from '../../../sim/scenarios/smoke-fleet.ts';
import { startRollout } from '../../../sim/scenarios/smoke-world.ts';

const id = 'edge-0' as DeviceId;
const secondMs = 1_000;

/** One device that has committed one release after the other. */
async function releasedFleet(seed: string, releases: number): Promise<SmokeFleet> {
  const versions = Array.from({ length: releases }, (_, i) => ({ version: `${i + 1}.0.0` }));
  const world = new SmokeFleet(seed, versions);
  await world.open(1);
  for (const [place, bundle] of world.bundles.entries()) {
    const policy = {
      ...{ holdback: { count: 0 as const }, waves: [{ percent: 100 }], supersede: true },
      ...{ soakMs: 3_600_000, deadlineMs: 3_600_000 },
    };
    await world.loop.runUntil(startRollout(world, bundle, policy));
    await world.loop.runFor(10 * secondMs);
    expect(world.versionOf(id)).toBe(versions[place]?.version);
  }
  return world;
}

const diskOf = (world: SmokeFleet) => {
  const device = world.devices.get(id);
  if (device === undefined) throw new Error('no device');
  return device.disk;
};

const hexAt = (world: SmokeFleet, place: number): string =>
  world.bundles.at(place)?.digest.slice('sha256:'.length) ?? '';

test('when more was committed than is held, the oldest slots and their own blobs go, the newest stay', async () => {
  const world = await releasedFleet('garbage', limits.heldSlotsMax + 2);
  const disk = diskOf(world);
  const kept = [-1, -2, -3].map((place) => hexAt(world, place)).sort();
  expect(await disk.list(`slots/${smokeApp}`)).toEqual(kept);
  const blobs = await disk.list('blobs/sha256');
  expect(kept.filter((hex) => !blobs.includes(hex))).toEqual([]);
  expect(blobs).not.toContain(hexAt(world, 0));
  await world.stop();
});

test('when a bundle follows another, what the two share is on disk twice', async () => {
  const world = await releasedFleet('redundancy', 2);
  const index = await diskOf(world).read(`slots/${smokeApp}/${hexAt(world, 0)}/slot.json`, {
    bytesMax: 65_536,
  });
  const { files } = JSON.parse(new TextDecoder().decode(index)) as {
    readonly files: readonly { readonly name: string; readonly isOwn: boolean }[];
  };
  const own = files.filter(({ isOwn }) => isOwn).map(({ name }) => name);
  expect(own).toEqual(['golden.json', 'graph.onnx']);
  await world.stop();
});

test('when a file of the running bundle rots, a scrub finds it, it is fetched again, and the model never stops', async () => {
  const world = await releasedFleet('rot', 1);
  const disk = diskOf(world);
  const graph = `slots/${smokeApp}/${hexAt(world, 0)}/graph.onnx`;
  const whole = await disk.read(graph, { bytesMax: 65_536 });
  // Slot and store share the bytes, as they do on a real disk.
  await disk.append(graph, Uint8Array.of(0), { durable: true });
  const running = () => world.devices.get(id)?.agent?.state.apps.get(smokeApp)?.running;
  const before = running();
  const until = world.time.nowMs + limits.scrubFirstMs + 60 * secondMs;
  while (world.time.nowMs < until) {
    await world.loop.runFor(60 * secondMs);
    expect(world.versionOf(id)).toBe('1.0.0');
  }
  expect(await disk.read(graph, { bytesMax: 65_536 })).toEqual(whole);
  expect(running()?.sinceMonotonicMs).toBe(before?.sinceMonotonicMs);
  await world.stop();
}, 600_000);
