import { describe, expect, it } from 'vitest';
import type { DeviceId } from '../../shared/core/ids.ts';
import type { SmokeBehaviour } from '../../sim/scenarios/smoke-bundles.ts';
import { smokeFleet as fleet, SmokeFleet } from '../../sim/scenarios/smoke-fleet.ts';
import { startRollout } from '../../sim/scenarios/smoke-world.ts';

const device = 'edge-0' as DeviceId;
const secondMs = 1_000;
const minuteMs = 60 * secondMs;
/** Longer than a session lives. */
const sessionsGoneMs = 20 * minuteMs;

/** Two devices that run v1 and then v2, whose metadata is valid for so many minutes from the start. */
async function updatedFleet(
  seed: string,
  options: { readonly v2?: Partial<SmokeBehaviour>; readonly metadataMinutes?: number } = {},
) {
  const { v2 = {}, metadataMinutes = 1_000_000 } = options;
  const startMs = new SmokeFleet(seed, []).time.startWallMs;
  const world = new SmokeFleet(seed, [{ version: '1.0.0' }, { version: '2.0.0', ...v2 }], {
    expiresAtMs: startMs + metadataMinutes * minuteMs,
  });
  await world.open(2);
  await world.loop.runFor(5 * secondMs);
  await roll(world, 0);
  await world.loop.runFor(10 * secondMs);
  const rollout = await roll(world, 1);
  await world.loop.runFor(10 * secondMs);
  expect(versionsOf(world)).toEqual(['2.0.0', '2.0.0']);
  return { world, rollout };
}

/** Everybody at once, and no verdict for a long time. */
function roll(world: SmokeFleet, place: number) {
  const policy = {
    ...{ holdback: { count: 0 as const }, waves: [{ percent: 100 }], supersede: true },
    ...{ soakMs: 3_600_000, deadlineMs: 3_600_000 },
  };
  return world.loop.runUntil(startRollout(world, bundleAt(world, place), policy));
}

function bundleAt(world: SmokeFleet, place: number) {
  const bundle = world.bundles[place];
  if (bundle === undefined) throw new Error(`no bundle ${place}`);
  return bundle;
}

const versionsOf = (world: SmokeFleet): readonly string[] =>
  [...world.devices.keys()].map((id) => world.versionOf(id));

const connected = (world: SmokeFleet): readonly boolean[] =>
  [...world.devices.keys()].map((id) => world.broker.isConnected({ fleet, device: id }));

async function abort(world: SmokeFleet, rollout: Awaited<ReturnType<typeof roll>>): Promise<void> {
  const event = { type: 'aborted', by: { kind: 'person', name: 'op' }, why: 'drill' } as const;
  const order = { event, version: undefined };
  const done = world.server.rollouts.order({ fleet, rollout }, order);
  expect((await world.loop.runUntil(done)).ok).toBe(true);
  world.server.wake();
}

const deviceOf = (world: SmokeFleet) => {
  const found = world.devices.get(device);
  if (found === undefined) throw new Error('no device');
  return found;
};

describe('given metadata that has expired, root included', { timeout: 300_000 }, () => {
  it('when HTTP is cut while sessions still stand, an abort brings every device back', async () => {
    const { world, rollout } = await updatedFleet('expired-connected', { metadataMinutes: 2 });
    world.isOriginCut = true;
    await world.loop.runFor(3 * minuteMs);
    expect(connected(world)).toEqual([true, true]);
    await abort(world, rollout);
    await world.loop.runFor(10 * secondMs);
    expect(versionsOf(world)).toEqual(['1.0.0', '1.0.0']);
    await world.stop();
  });

  it('when sessions have expired too, a model that sours is taken back by the devices alone', async () => {
    const sourAfterRuns = (sessionsGoneMs / secondMs) * 10;
    const v2 = { sourAfterRuns };
    const { world } = await updatedFleet('expired-alone', { metadataMinutes: 2, v2 });
    world.isOriginCut = true;
    await world.loop.runFor(sessionsGoneMs - 2 * minuteMs);
    expect(connected(world)).toEqual([false, false]);
    expect(versionsOf(world)).toEqual(['2.0.0', '2.0.0']);
    await world.loop.runFor(5 * minuteMs);
    expect(connected(world)).toEqual([false, false]);
    expect(versionsOf(world)).toEqual(['1.0.0', '1.0.0']);
    const [refusal] = deviceOf(world).agent?.state.refusals ?? [];
    expect(refusal?.digest).toBe(bundleAt(world, 1).digest);
    await world.stop();
  });

  it('when sessions have expired too, an abort reaches the devices at their next login', async () => {
    const { world, rollout } = await updatedFleet('expired-login', { metadataMinutes: 2 });
    world.isOriginCut = true;
    await world.loop.runFor(sessionsGoneMs);
    expect(connected(world)).toEqual([false, false]);
    await abort(world, rollout);
    await world.loop.runFor(10 * secondMs);
    expect(versionsOf(world)).toEqual(['2.0.0', '2.0.0']);
    world.isOriginCut = false;
    await world.loop.runFor(10 * minuteMs);
    expect(versionsOf(world)).toEqual(['1.0.0', '1.0.0']);
    await world.stop();
  });
});

/** The connection breaks; the next login brings fresh metadata. */
async function logInAgain(world: SmokeFleet): Promise<void> {
  for (const id of world.devices.keys()) world.broker.cut(id);
  await world.loop.runFor(30 * secondMs);
}

describe('given a bundle that offline keys revoke', { timeout: 300_000 }, () => {
  it('when the device next logs in, it stops, and the one before answers', async () => {
    const { world } = await updatedFleet('revoked-online');
    world.revoke([bundleAt(world, 1).digest]);
    await logInAgain(world);
    expect(versionsOf(world)).toEqual(['1.0.0', '1.0.0']);
    await world.stop();
  });

  it('when nothing else may run, the device says no-model and why', async () => {
    const { world } = await updatedFleet('revoked-all');
    world.revoke(world.bundles.map(({ digest }) => digest));
    for (const id of world.devices.keys()) world.broker.cut(id);
    const said = new Set<string>();
    for (let second = 0; second < 30; second += 1) {
      await world.loop.runFor(secondMs);
      const [decision] = deviceOf(world).agent?.decisions() ?? [];
      if (decision?.rest?.kind === 'no-model') said.add(decision.rest.reason);
    }
    expect(versionsOf(world)).toEqual(['none', 'none']);
    // The device stops by itself; the server takes the order back once it hears of it.
    expect([...said]).toEqual(['revoked', 'withdrawn']);
    await world.stop();
  });

  it('when a part of the bundle is named instead of the bundle, it stops too', async () => {
    const { world } = await updatedFleet('revoked-part');
    // The configuration is the one blob that the two do not share.
    const [v1, v2] = [bundleAt(world, 0), bundleAt(world, 1)];
    world.revoke([...v2.blobs.keys()].filter((digest) => !v1.blobs.has(digest)));
    await logInAgain(world);
    expect(versionsOf(world)).toEqual(['1.0.0', '1.0.0']);
    await world.stop();
  });

  it('when it only has to be replaced, it goes on, also after a boot without any network', async () => {
    const { world } = await updatedFleet('replaced');
    world.revoke([bundleAt(world, 1).digest], 'replace');
    await logInAgain(world);
    expect(deviceOf(world).agent?.state.replaced.size).toBe(1);
    expect(versionsOf(world)).toEqual(['2.0.0', '2.0.0']);
    await bootAlone(world);
    expect(world.versionOf(device)).toBe('2.0.0');
    await world.stop();
  });

  it('when the one before has to be replaced, an abort does not bring it back', async () => {
    const { world, rollout } = await updatedFleet('replaced-before');
    world.revoke([bundleAt(world, 0).digest], 'replace');
    await logInAgain(world);
    await abort(world, rollout);
    await world.loop.runFor(10 * secondMs);
    expect(versionsOf(world)).not.toContain('1.0.0');
    await world.stop();
  });

  it('when the device then boots without any network, it does not run', async () => {
    const { world } = await updatedFleet('revoked-offline');
    world.revoke([bundleAt(world, 1).digest]);
    await logInAgain(world);
    await bootAlone(world);
    expect(world.versionOf(device)).toBe('1.0.0');
    await world.stop();
  });

  it('when the power goes between the download of the list and its entry in the journal, it does not run after the boot either', async () => {
    const rehearsal = await beforeRevocation();
    const { disk, agent } = deviceOf(rehearsal);
    const first = disk.steps;
    while (agent?.state.revoked.size === 0) await rehearsal.loop.runFor(1);
    const steps = disk.steps - first;
    await rehearsal.stop();
    let listedOnly = 0;
    let isListed = true;
    for (let step = steps; isListed; step -= 1) {
      const world = await beforeRevocation();
      const one = deviceOf(world);
      one.disk.faults.powerCutAtStep = one.disk.steps + step;
      while (!one.disk.isOff) await world.loop.runFor(100);
      const isJournaled = one.agent?.state.revoked.size !== 0;
      await bootAlone(world);
      isListed = await listedOnDisk(world);
      if (isListed && !isJournaled) listedOnly += 1;
      if (isListed) expect(world.versionOf(device), `step ${step}`).toBe('1.0.0');
      await world.stop();
    }
    expect(listedOnly).toBeGreaterThan(0);
  });
});

/** The list is published and the device is about to log in. */
async function beforeRevocation(): Promise<SmokeFleet> {
  const { world } = await updatedFleet('revoked-power');
  world.revoke([bundleAt(world, 1).digest]);
  world.broker.cut(device);
  return world;
}

async function bootAlone(world: SmokeFleet): Promise<void> {
  world.isOriginCut = true;
  await deviceOf(world).losePower();
  await deviceOf(world).boot();
  await world.loop.runFor(5 * secondMs);
}

async function listedOnDisk(world: SmokeFleet): Promise<boolean> {
  const bytes = await deviceOf(world).disk.read('trust/targets/revoked.json', { bytesMax: 4_096 });
  return new TextDecoder().decode(bytes).includes(bundleAt(world, 1).digest);
}
