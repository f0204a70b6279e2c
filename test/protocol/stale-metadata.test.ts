import { describe, expect, it } from 'vitest';
import { readJournal } from '../../agent/core/journal/read-journal.ts';
import type { WindowDraft } from '../../agent/core/monitor/window-draft.ts';
import { explainAnswering } from '../../fleet-server/core/rollout/explain-answering.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import type { DeviceId, RolloutId } from '../../shared/core/ids.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import { type SmokeBehaviour, smokeApp } from '../../sim/scenarios/smoke-bundles.ts';
import type { SmokeDevice } from '../../sim/scenarios/smoke-device.ts';
import { smokeFleet as fleet, SmokeFleet } from '../../sim/scenarios/smoke-fleet.ts';
import { startRollout } from '../../sim/scenarios/smoke-world.ts';
import type { MemoryDisk } from '../../sim/world/memory-disk.ts';
import { calmRow, QuietDevice } from '../support/quiet-device.ts';

const device = 'edge-0' as DeviceId;
const aDayThenStop = { stale: { maxDays: 1, then: 'stop' as const } };
const aDayThenKeep = { stale: { maxDays: 1, then: 'keep' as const } };
const dayMs = 86_400_000;
const { startWallMs } = new SmokeFleet('wall', []).time;

/** Windows that the outbox holds, sent or not. */
async function windowsOn(disk: MemoryDisk): Promise<readonly WindowDraft[]> {
  const bytes = await disk.read('state/outbox.journal', { bytesMax: limits.outboxBytesMax });
  const records = readJournal(bytes ?? new Uint8Array()).values as {
    readonly kind: string;
    readonly draft?: WindowDraft;
  }[];
  return records.flatMap(({ draft }) => draft ?? []);
}

const defaultsIn = (windows: readonly WindowDraft[]): number =>
  windows.flatMap(({ defaults = [] }) => defaults).reduce((sum, { count }) => sum + count, 0);
const inferencesIn = (windows: readonly WindowDraft[]): number =>
  windows.flatMap(({ models }) => models).reduce((sum, { inferences }) => sum + inferences, 0);

describe('given a bundle that stops on metadata of more than a day', { timeout: 300_000 }, () => {
  it.each([
    ['1970', -startWallMs],
    ['2106', Date.UTC(2106, 0, 1) - startWallMs],
  ])(
    'when a device at %s has lived that long over power cuts, the one before answers until metadata is fresh',
    async (year, skewMs) => {
      const one = await QuietDevice.open(`stale-${year}`, [
        { version: '1.0.0' },
        { version: '2.0.0', terms: aDayThenStop },
      ]);
      await one.boot(skewMs);
      await one.live(14);
      await one.losePower();
      await one.boot(skewMs);
      await one.live(9);
      // 23 hours by now, and the wall clock is a century off.
      expect(one.version).toBe('2.0.0');
      await one.losePower();
      await one.boot(skewMs);
      expect(one.version).toBe('2.0.0');
      // Each power cut lost an hour at most, and the last look was an hour ago at most.
      await one.live(4);
      expect(one.version).toBe('1.0.0');
      expect(one.rest).toMatchObject({ kind: 'refused', reason: 'metadata-stale' });
      await one.losePower();
      await one.boot(skewMs);
      expect(one.version).toBe('1.0.0');
      one.cut = 'none';
      await one.live(1);
      expect(one.version).toBe('2.0.0');
      expect(one.rest).toEqual({ kind: 'settled' });
      expect(one.agent.state.refusals).toEqual([]);
      await one.end();
      await one.boot(skewMs);
      expect(one.version).toBe('2.0.0');
      await one.end();
    },
  );

  it('when the device was switched off for longer, trusted time tells, and fresh metadata frees it', async () => {
    const one = await QuietDevice.open('stale-shelf', [{ version: '1.0.0', terms: aDayThenStop }]);
    await one.world.loop.runFor(40 * dayMs);
    await one.boot();
    await one.live(1);
    // Alone it cannot know.
    expect(one.version).toBe('1.0.0');
    one.cut = 'metadata';
    await one.live(2);
    expect(one.version).toBe('none');
    expect(one.rest).toEqual({ kind: 'no-model', reason: 'metadata-stale' });
    expect(await one.infer().catch(codeOf)).toBe('no-model');
    one.cut = 'none';
    await one.live(1);
    expect(one.version).toBe('1.0.0');
    await one.end();
  });

  it('when it names a default answer and nothing else may run, that is given and counted apart', async () => {
    const terms = { ...aDayThenStop, defaultAnswer: [calmRow] };
    const one = await QuietDevice.open('stale-default', [{ version: '1.0.0', terms }]);
    await one.boot();
    await one.live(26);
    expect(one.version).toBe('none');
    expect(one.rest).toMatchObject({ kind: 'default-answer', reason: 'metadata-stale' });
    const before = await windowsOn(one.disk);
    const answer = await one.infer(3);
    expect(answer).toMatchObject({ isDefault: true, label: 'calm', confidence: 1 });
    expect(answer.outputs.get('y')).toMatchObject({ shape: [3, 2] });
    await one.end();
    const after = await windowsOn(one.disk);
    expect([defaultsIn(before), defaultsIn(after)]).toEqual([0, 1]);
    expect(inferencesIn(after)).toBe(inferencesIn(before));
    expect(one.metrics.value('skein_default_answers_total', { app: smokeApp })).toBe(1);
    await one.boot();
    expect(await one.infer()).toMatchObject({ isDefault: true });
    one.cut = 'none';
    await one.live(1);
    const model = await one.infer();
    expect(model.isDefault).toBeUndefined();
    expect(model.label).toBe('calm');
    // A model that may run and has just gone is not stood in for: it is asked again.
    one.crashes = true;
    const asked = one.ask().catch(() => one.ask());
    expect(await one.world.loop.runUntil(asked.catch(codeOf))).toBe('no-model');
    await one.end();
  });
});

describe('given a bundle that keeps on', { timeout: 300_000 }, () => {
  it('when metadata is older than it names, runs on and says so', async () => {
    const one = await QuietDevice.open('stale-keep', [{ version: '1.0.0', terms: aDayThenKeep }]);
    await one.boot();
    await one.live(26);
    expect(one.version).toBe('1.0.0');
    expect(one.rest).toEqual({ kind: 'settled' });
    const told = one.log.entries.filter(({ fields }) => fields['code'] === 'metadata-stale');
    expect(told).toHaveLength(1);
    await one.world.loop.runUntil(one.agent.readGauges());
    expect(one.metrics.value('skein_metadata_age_seconds')).toBeGreaterThan(86_400);
    await one.end();
  });
});

/** Two devices that run every bundle of a fleet, each rolled out to both at once and still soaking. */
async function updatedFleet(seed: string, behaviours: readonly SmokeBehaviour[]) {
  const world = new SmokeFleet(seed, behaviours);
  await world.open(2);
  await world.loop.runFor(5_000);
  const rollouts: RolloutId[] = [];
  for (const bundle of world.bundles) {
    const policy = {
      ...{ holdback: { count: 0 as const }, waves: [{ percent: 100 }], supersede: true },
      ...{ soakMs: 3_600_000, deadlineMs: 3_600_000 },
    };
    rollouts.push(await world.loop.runUntil(startRollout(world, bundle, policy)));
    await world.loop.runFor(15_000);
  }
  const one = world.devices.get(device);
  if (one === undefined) throw new Error('the device is there');
  expect(world.versionOf(device)).toBe(behaviours.at(-1)?.version);
  return { world, one, rollouts };
}

async function reportedOf(world: SmokeFleet) {
  return world.loop.runUntil(
    world.store.read(async (view) => ({
      app: await view.deviceApps.get(fleet, device, smokeApp),
      facts: (await view.devices.get(fleet, device))?.facts ?? {},
    })),
  );
}

const explained = (app: Awaited<ReturnType<typeof reportedOf>>['app']): string => {
  const plain = { sentence: 'It has an order.', decision: 'keep', because: [] };
  return explainAnswering(plain, app ?? undefined).sentence;
};

/** The next boot finds what one would have written that was alone for so long. */
async function age(one: SmokeDevice, aliveMs: number): Promise<void> {
  await one.end();
  const path = 'state/memory.json';
  const bytes = await one.disk.read(path, { bytesMax: 4096 });
  const record = JSON.parse(new TextDecoder().decode(bytes)) as { freshness: object };
  const older = { ...record, freshness: { ...record.freshness, aliveMs } };
  await one.disk.replace(path, utf8(JSON.stringify(older)));
}

describe('given a device that reports while its metadata is old', { timeout: 300_000 }, () => {
  it('when the wanted bundle stops, says why, and the rollout does not blame the bundle', async () => {
    const { world, one, rollouts } = await updatedFleet('stale-reported', [
      { version: '1.0.0', terms: aDayThenKeep },
      { version: '2.0.0', terms: aDayThenStop },
    ]);
    const timestamp = world.repository.files.get('/tuf/timestamp.json') ?? new Uint8Array();
    world.repository.files.delete('/tuf/timestamp.json');
    await age(one, dayMs + 1);
    await one.boot();
    await world.loop.runFor(30_000);
    expect(world.versionOf(device)).toBe('1.0.0');
    const { app, facts } = await reportedOf(world);
    expect(app).toMatchObject({ phase: 'refused', reason: 'metadata-stale' });
    expect(app?.active).toBe(world.bundles[0]?.digest);
    expect(facts['metadata.stale']).toBe(true);
    expect(explained(app)).toMatch(/an older bundle instead \(metadata-stale\)/);
    const stored = await world.loop.runUntil(
      world.store.read((view) =>
        Promise.all(rollouts.slice(-1).map((id) => view.rollouts.get(fleet, id))),
      ),
    );
    expect(stored.map((row) => row?.status)).toEqual(['running']);

    world.repository.files.set('/tuf/timestamp.json', timestamp);
    world.broker.cut(device);
    await world.loop.runFor(30_000);
    expect(world.versionOf(device)).toBe('2.0.0');
    const fresh = await reportedOf(world);
    expect(fresh.app).toMatchObject({ phase: 'committed', reason: null });
    expect(fresh.facts).not.toHaveProperty(['metadata.stale']);
    await world.stop();
  });
});

describe('given a revoked bundle with a default answer', { timeout: 300_000 }, () => {
  it('when nothing else may run, the default answer is given, reported and explained, also after the order is taken back', async () => {
    const terms = { defaultAnswer: [calmRow] };
    const { world, one } = await updatedFleet('revoked-default', [{ version: '1.0.0', terms }]);
    world.revoke(world.bundles.map(({ digest }) => digest));
    for (const id of world.devices.keys()) world.broker.cut(id);
    await world.loop.runFor(30_000);
    expect(world.versionOf(device)).toBe('none');
    expect(one.agent?.state.apps.get(smokeApp)?.isWithdrawn).toBe(true);
    expect(one.agent?.decisions()[0]?.rest).toMatchObject({
      ...{ kind: 'default-answer', reason: 'revoked' },
    });
    const { app } = await reportedOf(world);
    expect(app).toMatchObject({ phase: 'default-answer', reason: 'revoked', active: null });
    expect(explained(app)).toMatch(/default answer of its bundle is given \(revoked\)/);
    await one.losePower();
    world.isOriginCut = true;
    await one.boot();
    await world.loop.runFor(5_000);
    expect(one.agent?.decisions()[0]?.rest).toMatchObject({ kind: 'default-answer' });
    expect(defaultsIn(await windowsOn(one.disk))).toBeGreaterThan(0);
    await world.stop();
  });
});
