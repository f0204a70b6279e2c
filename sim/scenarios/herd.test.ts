import { describe, expect, it } from 'vitest';
import type { DeviceId } from '../../shared/core/ids.ts';
import { SmokeFleet, smokeFleet } from './smoke-fleet.ts';
import { startRollout } from './smoke-world.ts';

const secondMs = 1_000;
const windowMs = 30 * secondMs;

/** How many of the fleet have got there, second by second. */
async function watch(
  world: SmokeFleet,
  seconds: number,
  count: () => number | Promise<number>,
): Promise<readonly number[]> {
  const seen: number[] = [];
  for (let second = 0; second < seconds; second += 1) {
    await world.loop.runFor(secondMs);
    seen.push(await count());
  }
  return seen;
}

const mostInOneSecond = (seen: readonly number[]): number =>
  Math.max(...seen.map((count, second) => count - (seen[second - 1] ?? 0)));

/** Over thirty seconds no second has a fifth of them, and the middle of the window is about the middle of the fleet. */
function expectSpread(world: SmokeFleet, seen: readonly number[]): void {
  const devices = world.devices.size;
  expect(seen.at(-1)).toBe(devices);
  expect(mostInOneSecond(seen)).toBeLessThanOrEqual(devices / 5);
  expect(seen[windowMs / 2 / secondMs]).toBeGreaterThan(devices / 4);
  expect(seen[windowMs / 2 / secondMs]).toBeLessThan((devices * 3) / 4);
}

async function openFleet(seed: string, devices: number): Promise<SmokeFleet> {
  const world = new SmokeFleet(seed, [{ version: '1.0.0' }], { jitterMs: windowMs });
  await world.open(devices);
  return world;
}

describe('no herds', () => {
  it('given devices that never had a session, they connect without waiting', async () => {
    const world = await openFleet('first', 20);
    await world.loop.runFor(2 * secondMs);
    expect(world.broker.connectedCount()).toBe(20);
    await world.stop();
  });

  it('given a server that all devices lose at once, they come back spread over the window it chose', async () => {
    const world = await openFleet('lost', 50);
    await world.loop.runFor(3 * secondMs);
    world.broker.stop();
    world.broker.resume();
    const seen = await watch(world, 33, () => world.broker.connectedCount());
    expectSpread(world, seen);
    await world.stop();
  });

  it('given a site whose power comes back, its devices remember the window', async () => {
    const world = await openFleet('power', 20);
    await world.loop.runFor(3 * secondMs);
    for (const device of world.devices.values()) await device.losePower();
    // Dark for so long that the broker has noticed.
    await world.loop.runFor(2 * 60 * secondMs);
    expect(world.broker.connectedCount()).toBe(0);
    for (const device of world.devices.values()) await device.boot();
    const seen = await watch(world, 33, () => world.broker.connectedCount());
    expectSpread(world, seen);
    await world.stop();
  });

  it('given one order for everybody, fetches and acknowledging reports are spread too', async () => {
    const world = await openFleet('order', 20);
    await world.loop.runFor(3 * secondMs);
    const bundle = world.bundles[0];
    if (bundle === undefined) throw new Error('no bundle');
    const policy = { waves: [{ percent: 100 }], holdback: { count: 0 }, deadlineMs: 2 * windowMs };
    await world.loop.runUntil(startRollout(world, bundle, policy));
    const running: number[] = [];
    const told = await watch(world, 40, async () => {
      running.push(runningOn(world, '1.0.0'));
      return acknowledged(world);
    });
    expectSpread(world, told);
    expectSpread(world, running);
    await world.stop();
  });
});

const ids = (world: SmokeFleet): readonly DeviceId[] => [...world.devices.keys()];

const runningOn = (world: SmokeFleet, version: string): number =>
  ids(world).filter((id) => world.versionOf(id) === version).length;

async function acknowledged(world: SmokeFleet): Promise<number> {
  const { store, loop } = world;
  const rows = await loop.runUntil(
    store.read((view) => Promise.all(ids(world).map((id) => view.devices.get(smokeFleet, id)))),
  );
  return rows.filter((row) => (row?.seenGeneration ?? 0) > 0).length;
}
