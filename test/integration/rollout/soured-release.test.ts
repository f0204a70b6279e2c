import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DeviceId, RolloutId } from '../../../shared/core/ids.ts';
import { CountingMetrics } from '../../../sim/world/counting-metrics.ts';
import { type AnswerBody, codeIn, HttpWorld } from '../../support/http-world.ts';
import { ReportingPlant } from '../../support/reporting-plant.ts';
import { deviceId, digest, filetype, plant, targetPath } from '../../support/store-nouns.ts';

const metrics = new CountingMetrics();
let world: HttpWorld;
let devices: ReportingPlant;
let operator: string;
let rollout: RolloutId;
beforeAll(async () => {
  world = await HttpWorld.open({ metrics });
  devices = new ReportingPlant(world);
  operator = await world.token('operator');
  await devices.publish('2.0.0', '2');
  for (let n = 10; n < 16; n += 1) await devices.add(`edge-${n}`);
  rollout = await devices.start(operator, { membership: 'dynamic', holdback: { count: 0 } });
  await devices.settle(rollout);
  await devices.promote(operator, rollout);
  await devices.settle(rollout);
  await world.pass(1);
});
afterAll(() => world.close());

const wantedBy = async (id: DeviceId) =>
  (await world.store.read((view) => view.deviceApps.get(plant, id, filetype)))?.desired;
const explainedFor = async (id: DeviceId) =>
  (await world.get(operator, `/fleets/plant/devices/${id}/explanation?rollout=${rollout}`)).json<{
    readonly apps: readonly { readonly sentence: string; readonly because: readonly object[] }[];
  }>().apps[0];
const explained = async () =>
  (await world.get(operator, `/fleets/plant/rollouts/${rollout}/explanation`)).json<AnswerBody>();

/** Enrolled after everything; the server knows of no app of it, and neither does it. */
async function newcomer(name: string): Promise<DeviceId> {
  const id = deviceId(name);
  await devices.add(name, { isNew: true, change: { enrolledAtMs: world.clock.nowMs() } });
  await devices.report(id);
  return id;
}

test('given a completed release that nobody took back, a device that comes later is offered it', async () => {
  const id = await newcomer('late-1');
  expect((await wantedBy(id))?.rollout).toBe(rollout);
  expect((await explained()).sentence).not.toContain('taken back');
});

test('given one device takes it back after its commit, audit, event and metric tell it once', async () => {
  const sour = { phase: 'reverted', regressed: true, reason: 'accuracy', active: digest('1') };
  for (let i = 0; i < 2; i += 1) await devices.report(deviceId('edge-10'), { app: sour as object });
  const [events, rows] = await world.store.read(async (view) => [
    await view.events.list(plant, { limit: 1_000 }),
    await view.audit.list(plant, { limit: 1_000 }),
  ]);
  const content = { app: filetype, digest: digest('2'), rollout, retry: 0, code: 'accuracy' };
  expect(events.filter(({ kind }) => kind === 'device-regressed')).toMatchObject([
    { subject: 'edge-10', content },
  ]);
  expect(rows.filter(({ action }) => action === 'device-regressed')).toMatchObject([
    { subject: 'edge-10', actor: 'skein', details: content },
  ]);
  expect(metrics.value('skein_regressions_total')).toBe(1);
});

test('given it has soured, no device that comes later is offered it, and both explanations say why', async () => {
  const id = await newcomer('late-2');
  expect(await wantedBy(id)).toBeUndefined();
  const why = await explainedFor(id);
  expect(why?.sentence).toContain(
    'the bundle was taken back after its commit once, so no other device is offered it',
  );
  expect(why?.because).toContainEqual({ name: 'regressions', value: 1, limit: 0, blocks: true });
  expect((await explained()).sentence).toContain('taken back after its commit once');
});

test('given it has soured, the devices that run it keep it', async () => {
  await devices.report(deviceId('edge-11'));
  expect((await wantedBy(deviceId('edge-11')))?.digest).toBe(digest('2'));
  expect((await wantedBy(deviceId('late-1')))?.digest).toBe(digest('2'));
});

test('given it has soured, another rollout of it needs a person who says so, and then goes on', async () => {
  const url = '/fleets/plant/rollouts';
  const plan = {
    ...{ app: filetype, path: targetPath('2.0.0'), digest: digest('2'), membership: 'dynamic' },
    ...{ target: 'state = accepted', waves: [{ percent: 100 }], holdback: { count: 0 } },
  };
  const drafted = await world.post(operator, url, { body: plan });
  const { rollout: draft } = drafted.json<AnswerBody>();
  const headers = { 'if-match': String(drafted.headers['etag']) };
  const refused = await world.post(operator, `${url}/${draft}/submit`, { headers });
  expect(codeIn(refused)).toBe('409 digest-stopped');
  const forced = await devices.start(operator, { ...plan, overrideStop: true } as object);
  await devices.settle(forced);
  // Who never committed the app is in no first wave.
  await devices.promote(operator, forced);
  await devices.settle(forced);
  expect((await wantedBy(deviceId('late-2')))?.rollout).toBe(forced);
});
