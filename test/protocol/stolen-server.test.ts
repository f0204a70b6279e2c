import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../../shared/codec/frame.ts';
import type { DesiredState } from '../../shared/contracts/desired.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { BootId, DeviceId, TargetPath } from '../../shared/core/ids.ts';
import { signEnvelope } from '../../shared/trust/dsse.ts';
import { smokeApp, smokeBundle } from '../../sim/scenarios/smoke-bundles.ts';
import { smokeFleet as fleet, SmokeFleet } from '../../sim/scenarios/smoke-fleet.ts';
import { startRollout } from '../../sim/scenarios/smoke-world.ts';
import { seededSigner } from '../../sim/world/seeded-keys.ts';

const device = 'edge-0' as DeviceId;
const secondMs = 1_000;

/** A fleet in which v1 was proven and v2 is signed but was never ordered. */
async function provenFleet(seed: string, skewMs?: (place: number) => number): Promise<SmokeFleet> {
  const world = new SmokeFleet(seed, [{ version: '1.0.0' }, { version: '2.0.0' }]);
  await world.open(2, skewMs);
  await world.loop.runFor(10 * secondMs);
  await world.loop.runUntil(startRollout(world, bundleAt(world, 0)));
  await world.loop.runFor(60 * secondMs);
  expect(world.versionOf(device)).toBe('1.0.0');
  return world;
}

function bundleAt(world: SmokeFleet, place: number) {
  const bundle = world.bundles[place];
  if (bundle === undefined) throw new Error(`no bundle ${place}`);
  return bundle;
}

/** What whoever holds the online keys and the broker can send: an order of their own making. */
async function forge(
  world: SmokeFleet,
  change: Partial<DesiredState>,
  signer = world.repository.keys.signer('director'),
): Promise<void> {
  const known = await world.loop.runUntil(
    world.store.read((view) => view.devices.get(fleet, device)),
  );
  if (known === null || known.epoch === null) throw new Error('the device is not enrolled');
  const nowMs = world.time.startWallMs + world.time.nowMs;
  const order: DesiredState = {
    fleet,
    device,
    deviceKey: known.keyDigest,
    epoch: known.epoch,
    directorVersion: 1,
    generation: known.issuedGeneration + 1,
    issuedAtMs: nowMs,
    expiresAtMs: nowMs + 3_600_000,
    apps: [],
    revoked: [],
    ...change,
  };
  const envelope = await signEnvelope('desired', utf8(canonicalJson({ ...order })), [signer]);
  const boot = '0'.repeat(32) as BootId;
  const header = { v: 1, id: '0'.repeat(16), ts: nowMs, epoch: known.epoch, boot, seq: 1 } as const;
  await world.broker.publish(
    { fleet, device },
    { kind: 'desired', bytes: encodeFrame(header, envelope) },
  );
  await world.loop.runFor(20 * secondMs);
}

const entry = (world: SmokeFleet, place: number, path?: string) => {
  const { config, digest } = bundleAt(world, place);
  const own = `bundles/${config.name}@${config.version}`;
  return { app: smokeApp, path: (path ?? own) as TargetPath, digest, retry: 0 };
};

/** What stays of an order that was healed meanwhile. */
const refusalsOf = (world: SmokeFleet) => world.devices.get(device)?.agent?.state.refusals;

const numbersOf = async (world: SmokeFleet) => {
  const known = await world.loop.runUntil(
    world.store.read((view) => view.devices.get(fleet, device)),
  );
  return { issued: known?.issuedGeneration ?? -1, seen: known?.seenGeneration ?? -1 };
};

describe('a device under a stolen server', () => {
  it('refuses a program that offline keys never signed, and says why', async () => {
    const world = await provenFleet('unsigned');
    const foreign = smokeBundle({ version: '9.0.0' });
    const path = 'bundles/smoke@9.0.0' as TargetPath;
    await forge(world, { apps: [{ app: smokeApp, path, digest: foreign.digest, retry: 0 }] });
    const { digest } = foreign;
    expect(refusalsOf(world)).toMatchObject([{ digest, reason: 'tuf-target-not-found' }]);
    expect(world.versionOf(device)).toBe('1.0.0');
    await world.stop();
  });

  it('refuses a signed path with the digest of another bundle', async () => {
    const world = await provenFleet('disagree');
    await forge(world, { apps: [entry(world, 1, 'bundles/smoke@1.0.0')] });
    expect(refusalsOf(world)).toMatchObject([{ reason: 'signatures-disagree' }]);
    expect(world.versionOf(device)).toBe('1.0.0');
    await world.stop();
  });

  it('goes back to the honest order by itself, and the server says that somebody else signs', async () => {
    const world = await provenFleet('healed');
    const before = await numbersOf(world);
    await forge(world, { apps: [entry(world, 1)], generation: before.issued + 7 });
    const after = await numbersOf(world);
    expect(after.issued).toBe(before.issued + 8);
    expect(after.seen).toBe(after.issued);
    expect(world.versionOf(device)).toBe('1.0.0');
    const events = await world.loop.runUntil(
      world.store.read((view) => view.events.list(fleet, { limit: 100 })),
    );
    const told = events.filter(({ kind }) => kind === 'foreign-order-seen');
    expect(told).toMatchObject([
      { subject: device, content: { seen: before.issued + 7, issued: before.issued } },
    ]);
    await world.stop();
  });

  it('takes no order that would outrank every honest one after it', async () => {
    const world = await provenFleet('numbers used up');
    const before = world.devices.get(device)?.agent?.state.seen;
    const apps = [entry(world, 1)];
    await forge(world, { apps, generation: Number.MAX_SAFE_INTEGER });
    await forge(world, { apps, directorVersion: 2, generation: 1 });
    expect(world.devices.get(device)?.agent?.state.seen).toEqual(before);
    await world.stop();
  });

  it('takes no order from another key, for another device, of another epoch or of an older generation', async () => {
    const world = await provenFleet('foreign');
    const before = world.devices.get(device)?.agent?.state;
    const apps = [entry(world, 1)];
    await forge(world, { apps }, seededSigner('somebody else'));
    await forge(world, { apps, device: 'edge-1' as DeviceId });
    await forge(world, { apps, deviceKey: 'f'.repeat(64) });
    await forge(world, { apps, epoch: 'f'.repeat(32) as never });
    await forge(world, { apps, generation: 0 });
    const after = world.devices.get(device)?.agent?.state;
    expect(after?.seen).toEqual(before?.seen);
    expect(after?.refusals).toEqual([]);
    // Nothing of it was ever tried, not even for the moment before a newer order came.
    const held = after?.apps.get(smokeApp)?.held.map(({ digest }) => digest);
    expect(held).toEqual([bundleAt(world, 0).digest]);
    expect(world.versionOf(device)).toBe('1.0.0');
    await world.stop();
  });

  it('starts no install from an order that has expired', async () => {
    const world = await provenFleet('expired');
    await forge(world, { apps: [entry(world, 1)], expiresAtMs: world.time.startWallMs });
    expect(world.versionOf(device)).toBe('1.0.0');
    await world.stop();
  });

  it('stops what an order revokes, and has nothing else to run', async () => {
    const world = await provenFleet('revoked');
    await forge(world, { apps: [entry(world, 0)], revoked: [bundleAt(world, 0).digest] });
    expect(world.versionOf(device)).toBe('none');
    await world.stop();
  });
});

describe('a fleet without its origin', () => {
  it('goes back by an abort while HTTP is cut and the sessions still stand', async () => {
    const world = await provenFleet('cut');
    const v2 = await world.loop.runUntil(startRollout(world, bundleAt(world, 1)));
    await world.loop.runFor(10 * secondMs);
    const updated = [...world.devices.keys()].filter((id) => world.versionOf(id) === '2.0.0');
    expect(updated.length).toBeGreaterThan(0);
    world.isOriginCut = true;
    const event = { type: 'aborted', by: { kind: 'person', name: 'op' }, why: 'drill' } as const;
    const order = { event, version: undefined };
    await world.loop.runUntil(world.server.rollouts.order({ fleet, rollout: v2 }, order));
    world.server.wake();
    await world.loop.runFor(10 * secondMs);
    for (const id of world.devices.keys()) expect(world.versionOf(id)).toBe('1.0.0');
    await world.stop();
  });

  it('converges with device clocks in 1970 and 2106', async () => {
    const at = (year: number, world = Date.UTC(2026, 0, 1)) => Date.UTC(year, 0, 2) - world;
    const world = await provenFleet('clocks', (place) => at(place === 0 ? 1970 : 2106));
    for (const id of world.devices.keys()) expect(world.versionOf(id)).toBe('1.0.0');
    await world.stop();
  });
});
