import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RolloutId } from '../../../shared/core/ids.ts';
import { HttpWorld } from '../../support/http-world.ts';
import { ReportingPlant } from '../../support/reporting-plant.ts';
import { deviceId, filetype, plant } from '../../support/store-nouns.ts';

const foreign = deviceId('edge-90');
let world: HttpWorld;
let devices: ReportingPlant;
let operator: string;
let rollout: RolloutId;
beforeAll(async () => {
  world = await HttpWorld.open();
  devices = new ReportingPlant(world);
  operator = await world.token('operator');
  await devices.publish('2.0.0', '2');
  for (const name of ['edge-10', 'edge-11', 'edge-90']) await devices.add(name);
});
afterAll(() => world.close());

const speaks = (min: number, max: number) => ({ state: { protocol: { min, max } } });
const wanted = async () =>
  (await world.store.read((view) => view.deviceApps.get(plant, foreign, filetype)))?.desired;
const signed = () => world.store.read((view) => view.desiredEnvelopes.get(plant, foreign));
const shown = async () =>
  (await world.get(operator, `/fleets/plant/devices/${foreign}`)).json<{
    readonly protocol: object;
  }>().protocol;

test('given an agent of another protocol range, its report counts and an event tells people once', async () => {
  expect(await shown()).toEqual({ min: 1, max: 1, spoken: 1 });
  for (let i = 0; i < 2; i += 1) await devices.report(foreign, speaks(2, 3));
  expect(await shown()).toEqual({ min: 2, max: 3, spoken: null });
  const events = await world.store.read((view) => view.events.list(plant, { limit: 100 }));
  const content = { code: 'protocol-unspoken', theirs: { min: 2, max: 3 }, ours: { max: 1 } };
  expect(events.filter(({ kind }) => kind === 'protocol-unspoken')).toMatchObject([
    { subject: foreign, content },
  ]);
});

test('given an agent of another protocol range, it is offered nothing and the others go on', async () => {
  rollout = await devices.start(operator, { holdback: { count: 0 } });
  await devices.settle(rollout);
  const exposed = (await devices.exposures(rollout)).map(({ device }) => device);
  expect(exposed).toEqual(['edge-10', 'edge-11']);
  expect(await wanted()).toBeNull();
  const row = (await world.get(operator, `/fleets/plant/rollouts/${rollout}`)).json<object>();
  expect(row).toMatchObject({ place: 'running wave 1 soaking' });
});

test('given an agent of another protocol range, explaining the device names the fact and both ranges', async () => {
  const url = `/fleets/plant/devices/${foreign}/explanation?rollout=${rollout}`;
  const [app] = (await world.get(operator, url)).json<{
    readonly apps: readonly { readonly sentence: string; readonly because: readonly object[] }[];
  }>().apps;
  expect(app?.sentence).toContain('waits: the agent speaks protocol 2-3 and this server 1');
  const fact = { name: 'protocol-unspoken', value: '2-3', limit: '1', blocks: true };
  expect(app?.because).toContainEqual(fact);
});

test('given the agent is one again that knows a common version, it is offered what the others have', async () => {
  expect(await signed()).toBeNull();
  await devices.report(foreign, speaks(1, 3));
  expect(await shown()).toEqual({ min: 1, max: 3, spoken: 1 });
  expect((await wanted())?.rollout).toBe(rollout);
  expect((await signed())?.generation).toBe(1);
});

test('given an order that is owed to an agent of another range, nothing is signed for it', async () => {
  await devices.report(foreign, speaks(4, 4));
  await world.store.transaction((tx) => tx.devices.update(plant, foreign, { issuedGeneration: 9 }));
  await world.server.director.serve(plant, [foreign]);
  expect((await signed())?.generation).toBe(1);
});
