import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../../shared/codec/frame.ts';
import type { DesiredState } from '../../shared/contracts/desired.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { BootId, DeviceId, TargetPath } from '../../shared/core/ids.ts';
import { tinyModel } from '../../shared/runtime/graph-bytes.ts';
import { signEnvelope } from '../../shared/trust/dsse.ts';
import { learningBundle, parentParameters } from '../../sim/scenarios/learning-bundle.ts';
import { learningFleet } from '../../sim/scenarios/learning-fleet.ts';
import { smokeApp, smokeBundle } from '../../sim/scenarios/smoke-bundles.ts';
import { smokeFleet as fleet, SmokeFleet } from '../../sim/scenarios/smoke-fleet.ts';
import { startRollout } from '../../sim/scenarios/smoke-world.ts';
import { seededSigner } from '../../sim/world/seeded-keys.ts';
import { soundClock } from '../../sim/world/sim-clock.ts';
import { forgeCandidate, StolenKeys } from '../support/stolen-keys.ts';

const device = 'edge-0' as DeviceId;
const secondMs = 1_000;
const stepMs = 100;

/** A fleet in which v1 was proven and v2 is signed but was never ordered. */
async function provenFleet(seed: string, skewMs?: (place: number) => number): Promise<SmokeFleet> {
  const world = new SmokeFleet(seed, [{ version: '1.0.0' }, { version: '2.0.0' }]);
  await world.open(2, (place) => ({ ...soundClock, skewMs: skewMs?.(place) ?? 0 }));
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
): Promise<ReadonlySet<string>> {
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
  return watch(world, 20 * secondMs);
}

/** Phases that the device came to meanwhile, and codes for which it waited. */
async function watch(world: SmokeFleet, forMs: number): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  for (let ms = 0; ms < forMs; ms += stepMs) {
    await world.loop.runFor(stepMs);
    const attempt = world.devices.get(device)?.agent?.state.apps.get(smokeApp)?.attempt;
    if (attempt === undefined) continue;
    seen.add(attempt.phase);
    if (attempt.phase !== 'probation' && attempt.waitsFor !== undefined) seen.add(attempt.waitsFor);
  }
  return seen;
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

/** A fleet that runs what may learn, and the keys of its server in other hands. */
async function learntFleet(seed: string) {
  const learning = learningFleet();
  const foreign = learningBundle('3.0.0');
  const world = new SmokeFleet(seed, [{ version: '0.9.0' }], { learning, foreign: [foreign] });
  await world.open(2);
  await world.loop.runFor(10 * secondMs);
  const parent = learning.devices.bundle;
  const policy = { waves: [{ percent: 100 }], soakMs: secondMs, holdback: { count: 0 as const } };
  await world.loop.runUntil(startRollout(world, parent, policy));
  await world.loop.runFor(20 * secondMs);
  expect(world.versionOf(device)).toBe('1.0.0');
  return { world, parent, foreign, plain: bundleAt(world, 0), keys: new StolenKeys(world) };
}

type Learnt = Awaited<ReturnType<typeof learntFleet>>;

/** The parent with other weights, `by` away in each of the four. */
function movedWeights({ parent }: Learnt, by: number) {
  const before = parent.config.training?.parameters.find(({ name }) => name === 'weights')?.blob;
  if (before === undefined) throw new Error('no weights');
  const bytes = new Uint8Array(parentParameters.weights.map((value) => value + by).buffer);
  return new Map([[before, bytes]]);
}

const orderOf = ({ digest, config }: ReturnType<typeof learningBundle>, folder: string) => {
  const path = `${folder}/${config.name}@${config.version}` as TargetPath;
  return { apps: [{ app: smokeApp, path, digest, retry: 0 }] };
};

const parentPath = 'bundles/smoke@1.0.0' as TargetPath;

/** Nothing but the parent was ever kept, and it still answers. */
function expectUntouched({ world, parent }: Learnt): void {
  const held = world.devices.get(device)?.agent?.state.apps.get(smokeApp)?.held;
  expect(held?.map(({ digest }) => digest)).toEqual([parent.digest]);
  expect(world.versionOf(device)).toBe('1.0.0');
}

describe('a device whose server has lost snapshot, timestamp, director and federated keys', () => {
  const given = { version: '1.1.0', parentPath };
  const cases: [string, string, (fleet: Learnt) => ReturnType<typeof forgeCandidate>][] = [
    [
      'a candidate with another graph',
      'candidate-differs',
      ({ parent }) => {
        const graph = parent.config.variants[0]?.graph;
        if (graph === undefined) throw new Error('no graph');
        return forgeCandidate(parent, { ...given, replaced: new Map([[graph, tinyModel()]]) });
      },
    ],
    [
      'a tensor further away than the parent allows',
      'candidate-too-far',
      // Four weights moved by 2.1 are 4.2 away; 4 is signed.
      (all) => forgeCandidate(all.parent, { ...given, replaced: movedWeights(all, 2.1) }),
    ],
    [
      'the child of a bundle that is signed for another fleet',
      'parent-unknown',
      ({ foreign }) => {
        const path = 'bundles/smoke@3.0.0' as TargetPath;
        return forgeCandidate(foreign, { ...given, parentPath: path, replaced: new Map() });
      },
    ],
    [
      'the child of a bundle that is not signed as federable',
      'not-federable',
      ({ plain }) => {
        const path = 'bundles/smoke@0.9.0' as TargetPath;
        return forgeCandidate(plain, { ...given, parentPath: path, replaced: new Map() });
      },
    ],
    [
      'a candidate whose parent nobody has signed',
      'parent-unknown',
      () => {
        const own = learningBundle('7.0.0');
        const path = 'bundles/smoke@7.0.0' as TargetPath;
        return forgeCandidate(own, { ...given, parentPath: path, replaced: new Map() });
      },
    ],
  ];

  it.each(cases)('refuses %s', async (_what, reason, make) => {
    const all = await learntFleet(reason);
    const candidate = make(all);
    await all.keys.publish(candidate, 'federated/smoke/smoke@1.1.0');
    const seen = await forge(all.world, orderOf(candidate, 'federated/smoke'));
    const { digest } = candidate;
    expect(refusalsOf(all.world)).toMatchObject([{ digest, reason }]);
    expect(seen).not.toContain('probation');
    expectUntouched(all);
    await all.world.stop();
  });

  it('tries what stays within the signed distance: so far the federated key reaches', async () => {
    const all = await learntFleet('near');
    const candidate = forgeCandidate(all.parent, { ...given, replaced: movedWeights(all, 0.01) });
    await all.keys.publish(candidate, 'federated/smoke/smoke@1.1.0');
    const seen = await forge(all.world, orderOf(candidate, 'federated/smoke'));
    expect(seen).toContain('probation');
    expect(refusalsOf(all.world)).toEqual([]);
    await all.world.stop();
  });

  const elsewhere: [string, string, string][] = [
    ['where only offline keys sign', 'smoke', 'bundles'],
    ['under a fleet that offline keys never delegated', 'elsewhere', 'federated/elsewhere'],
  ];
  it.each(elsewhere)('finds no target %s', async (_where, fleetOfRole, folder) => {
    const all = await learntFleet(folder);
    const candidate = forgeCandidate(all.parent, { ...given, replaced: movedWeights(all, 0.01) });
    await all.keys.publish(candidate, `${folder}/smoke@1.1.0`, fleetOfRole);
    await forge(all.world, orderOf(candidate, folder));
    expect(refusalsOf(all.world)).toMatchObject([{ reason: 'tuf-target-not-found' }]);
    expectUntouched(all);
    await all.world.stop();
  });

  const listings: [string, string, (all: Learnt) => Promise<void>][] = [
    ['a snapshot without targets', 'tuf-rollback-targets', ({ keys }) => keys.list(new Map())],
    [
      'a snapshot of targets that online keys have signed',
      'tuf-threshold-targets',
      async ({ keys }) => {
        const named = [{ bundle: learningBundle('9.0.0'), path: 'bundles/smoke@9.0.0' }];
        await keys.list(new Map([['targets', await keys.targetsFile(named, 'snapshot')]]));
      },
    ],
    [
      'a snapshot that no longer lists the candidates it has listed',
      'tuf-rollback-targets',
      async (all) => {
        const { keys, parent, world } = all;
        const near = forgeCandidate(parent, { ...given, replaced: movedWeights(all, 5) });
        await keys.publish(near, 'federated/smoke/smoke@1.1.0');
        await forge(world, orderOf(near, 'federated/smoke'));
        await keys.list(new Map([['targets', { bytes: keys.targets, version: 1 }]]));
      },
    ],
  ];
  it.each(listings)(
    'does not believe %s, and installs nothing from it',
    async (_what, code, attack) => {
      const all = await learntFleet(code);
      await attack(all);
      const seen = await forge(all.world, orderOf(learningBundle('9.0.0'), 'bundles'));
      expect(seen).toContain(code);
      expect(seen).not.toContain('verifying');
      expectUntouched(all);
      await all.world.stop();
    },
  );

  it('goes back to no older targets, whoever lists them', async () => {
    const world = await provenFleet('older targets');
    const keys = new StolenKeys(world);
    world.revoke([smokeBundle({ version: '8.0.0' }).digest]);
    // Refreshes before it looks for the target.
    await forge(world, orderOf(smokeBundle({ version: '9.0.0' }), 'bundles'));
    await keys.list(new Map([['targets', { bytes: keys.targets, version: 1 }]]));
    const seen = await forge(world, { apps: [entry(world, 1)] });
    expect(seen).toContain('tuf-rollback-targets');
    expect(seen).not.toContain('verifying');
    expect(world.versionOf(device)).toBe('1.0.0');
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
