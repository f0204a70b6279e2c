import { afterAll, beforeAll, expect, test } from 'vitest';
import { openMemoryStore, type SqlStore } from '../../../fleet-server/adapters/sql/sql-store.ts';
import { armOf, indexAssignment } from '../../../fleet-server/core/rollout/assignment.ts';
import type { StoreTx } from '../../../fleet-server/ports/store.ts';
import { stateOf, targetOf } from '../../../fleet-server/runner/rollout/rollout-book.ts';
import type { DeviceId, RolloutId } from '../../../shared/core/ids.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { type AnswerBody, HttpWorld } from '../../support/http-world.ts';
import { ReportingPlant } from '../../support/reporting-plant.ts';
import { deviceId, filetype, plant } from '../../support/store-nouns.ts';

const reachMs = 60_000;
/** Throws after the work of one transaction was done, as a full disk would. */
class BreakingStore {
  /** Transactions until then; the turn's first one settles silence, the second is the rollout's own. */
  failsIn = 0;
  readonly inner = openMemoryStore().store;

  get store(): SqlStore {
    const { inner } = this;
    return Object.assign(Object.create(inner) as SqlStore, {
      transaction: <T>(work: (tx: StoreTx) => Promise<T>): Promise<T> =>
        inner.transaction(async (tx) => {
          const done = await work(tx);
          this.failsIn -= 1;
          if (this.failsIn === 0) throw new OperatingError('disk-full', 'the disk is full');
          return done;
        }),
      read: inner.read.bind(inner),
      close: inner.close.bind(inner),
    });
  }
}

let breaking: BreakingStore;
let world: HttpWorld;
let devices: ReportingPlant;
let operator: string;
beforeAll(async () => {
  breaking = new BreakingStore();
  world = await HttpWorld.open({ store: breaking.store });
  devices = new ReportingPlant(world);
  operator = await world.token('operator');
  await devices.publish('2.0.0', '2');
  for (let n = 10; n < 30; n += 1) await devices.add(`edge-${n}`);
});
afterAll(() => world.close());

const urlOf = (id: RolloutId) => `/fleets/plant/rollouts/${id}`;
const placeOf = async (id: RolloutId) =>
  (await world.get(operator, urlOf(id))).json<{ readonly place: string }>().place;
const explained = async (id: RolloutId) =>
  (await world.get(operator, `${urlOf(id)}/explanation`)).json<AnswerBody>().sentence;
const inWave = async (id: RolloutId, wave: number) =>
  (await devices.exposures(id)).filter((exposure) => exposure.wave === wave);

/** A turn of which nothing is left. */
async function failedTurn(): Promise<void> {
  breaking.failsIn = 2;
  await expect(world.server.rollouts.turn(plant)).rejects.toMatchObject({ code: 'disk-full' });
}

/** Where the stored assignment puts a device now. */
async function armsNow(id: RolloutId): Promise<(device: DeviceId) => string> {
  const row = await world.store.read((view) => view.rollouts.get(plant, id));
  const state = row === null ? undefined : stateOf(row);
  if (state?.kind !== 'running' || state.assignment === null) throw new Error('not running');
  const index = indexAssignment(state.assignment);
  const all = await world.store.read((view) =>
    view.devices.list(plant, { where: targetOf(state), nowMs: 0 }, { limit: 100 }),
  );
  return (device) => {
    const cell = all.find((one) => one.device === device)?.cell ?? -1;
    const arm = armOf(index, { id: device, cell, stratum: '[]', firstCommittedAtMs: 900 });
    return arm.arm === 'wave' ? `wave ${arm.wave}` : arm.arm;
  };
}

let rollout: RolloutId;
let away: DeviceId;

test('given a device that is never reached, the next in hash order takes its place and the wave goes on', async () => {
  const waves = [{ count: 4 }, { percent: 100 }];
  rollout = await devices.start(operator, { waves, holdback: { count: 2 }, reachMs });
  await failedTurn();
  await world.server.rollouts.turn(plant);
  const first = await inWave(rollout, 0);
  expect(first).toHaveLength(4);
  away = first[0]?.device ?? deviceId('none');
  await devices.settle(rollout, new Set([away]));
  expect(await explained(rollout)).toContain('1 device is yet to acknowledge the offer');

  await world.pass(reachMs + 1);
  await failedTurn();
  await world.server.rollouts.turn(plant);
  const extended = await inWave(rollout, 0);
  expect(extended).toHaveLength(5);
  const isIn = await armsNow(rollout);
  expect(extended.map(({ device }) => isIn(device))).toEqual(Array(5).fill('wave 0'));
  expect(extended.find(({ device }) => device === away)?.phase).toBe('unreached');
  expect(await explained(rollout)).toContain('(1 device was not reached, 1 taken instead)');

  await devices.settle(rollout, new Set([away]));
  expect(await placeOf(rollout)).toBe('running wave 1 soaking');
});

test('given a replacement, a row of the audit and an event tell it with its numbers, once', async () => {
  const [audit, events] = await world.store.read(async (view) => [
    await view.audit.list(plant, { limit: 100 }),
    await view.rollouts.listEvents(plant, rollout, { limit: 100 }),
  ]);
  const because = { name: 'unreached-devices', value: 1, limit: 1, blocks: false };
  expect(events.filter(({ reason }) => reason === 'devices-replaced')).toMatchObject([
    { actor: 'skein', kind: 'running wave 1 offering', numbers: [because] },
  ]);
  const rows = audit.filter(({ subject }) => subject === rollout);
  expect(rows.filter(({ details }) => JSON.stringify(details).includes('replaced'))).toHaveLength(
    1,
  );
});

test('given the device appears later, it is offered again, commits, and counts in its wave', async () => {
  const told = await world.store.read((view) => view.deviceApps.get(plant, away, filetype));
  expect(told?.desired?.rollout).toBe(rollout);
  await devices.report(away, { app: { phase: 'fetching' } });
  const offered = (await inWave(rollout, 0)).find(({ device }) => device === away);
  expect(offered?.phase).toBe('acknowledged');
  await devices.report(away);
  expect((await inWave(rollout, 0)).map(({ phase }) => phase)).toEqual(Array(5).fill('committed'));
});

test('given nobody is left to take its place, the wave goes on without it and the rollout completes', async () => {
  await devices.promote(operator, rollout);
  await world.server.rollouts.turn(plant);
  const silent = new Set((await inWave(rollout, 1)).slice(0, 1).map(({ device }) => device));
  expect(silent.size).toBe(1);
  await devices.settle(rollout, silent);
  await world.pass(reachMs + 1);
  await devices.settle(rollout, silent);
  expect(await placeOf(rollout)).toBe('running wave 2 soaking');
  expect(await explained(rollout)).toContain('(1 device was not reached, none taken instead)');
  await devices.promote(operator, rollout);
  await devices.settle(rollout, silent);
  expect(await placeOf(rollout)).toBe('completed');
  const phases = (await devices.exposures(rollout)).map(({ phase }) => phase);
  expect(phases.filter((phase) => phase !== 'committed')).toEqual(['unreached']);
  expect(phases).toHaveLength(20);
});
