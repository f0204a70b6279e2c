import { describe, expect, it } from 'vitest';
import type { DeviceId } from '../../shared/core/ids.ts';
import { smokeApp } from '../../sim/scenarios/smoke-bundles.ts';
import { SmokeFleet } from '../../sim/scenarios/smoke-fleet.ts';
import { startRollout } from '../../sim/scenarios/smoke-world.ts';

const id = 'edge-0' as DeviceId;
const secondMs = 1_000;

/** Waits in the world, not longer than needed: a hundred worlds are lived through here. */
async function until(world: SmokeFleet, isSo: () => boolean, seconds = 60): Promise<void> {
  for (let i = 0; i < 5 * seconds && !isSo(); i += 1) await world.loop.runFor(200);
}

/** A device that runs v1 and is about to be told to run v2. */
async function beforeUpdate(): Promise<SmokeFleet> {
  const world = new SmokeFleet('power', [{ version: '1.0.0' }, { version: '2.0.0' }]);
  await world.open(1);
  await roll(world, 0);
  await until(world, () => heldOf(world) === 1);
  await world.loop.runFor(3 * secondMs);
  expect(world.versionOf(id)).toBe('1.0.0');
  return world;
}

async function roll(world: SmokeFleet, place: number): Promise<void> {
  const bundle = world.bundles[place];
  if (bundle === undefined) throw new Error(`no bundle ${place}`);
  // One device is the whole fleet: there is nobody to hold back and nobody to compare with.
  const policy = {
    holdback: { count: 0 as const },
    gates: { minimumSample: { devices: 1, inferences: 10 } },
    soakMs: 1_000,
  };
  await world.loop.runUntil(startRollout(world, bundle, policy));
}

/** Bundles the device has committed. */
const heldOf = (world: SmokeFleet): number =>
  world.devices.get(id)?.agent?.state.apps.get(smokeApp)?.held.length ?? 0;

const deviceOf = (world: SmokeFleet) => {
  const device = world.devices.get(id);
  if (device === undefined) throw new Error('no device');
  return device;
};

/** Steps of the disk from the order of v2 to its commit. */
async function stepsOfUpdate(): Promise<number> {
  const world = await beforeUpdate();
  const before = deviceOf(world).disk.steps;
  await roll(world, 1);
  await until(world, () => heldOf(world) === 2);
  expect(world.versionOf(id)).toBe('2.0.0');
  const steps = deviceOf(world).disk.steps - before;
  await world.stop();
  return steps;
}

describe('a device whose power goes at any step of an update', () => {
  it('answers with a model that worked right after the next boot, and then converges', async () => {
    const steps = await stepsOfUpdate();
    expect(steps).toBeGreaterThan(40);
    const after = { '1.0.0': 0, '2.0.0': 0 };
    for (let step = 1; step <= steps; step += 1) {
      const world = await beforeUpdate();
      const device = deviceOf(world);
      device.disk.faults.powerCutAtStep = device.disk.steps + step;
      await roll(world, 1);
      await until(world, () => device.disk.isOff);
      expect(device.disk.isOff).toBe(true);
      await device.losePower();
      // No server for the first seconds: what answers now is the device's own doing.
      world.isOriginCut = true;
      await device.boot();
      await world.loop.runFor(1_500);
      const version = world.versionOf(id);
      expect(['1.0.0', '2.0.0'], `after step ${step}`).toContain(version);
      after[version as keyof typeof after] += 1;
      world.isOriginCut = false;
      await until(world, () => heldOf(world) === 2 && world.versionOf(id) === '2.0.0');
      expect(world.versionOf(id), `after step ${step}`).toBe('2.0.0');
      await world.stop();
    }
    // Both sides of the commit were cut.
    expect(after['1.0.0']).toBeGreaterThan(0);
    expect(after['2.0.0']).toBeGreaterThan(0);
  }, 600_000);
});
