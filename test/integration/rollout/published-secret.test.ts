import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { showRollout } from '../../../cli/rollout/show-rollout.ts';
import type { RolloutView } from '../../../shared/contracts/api/rollout.ts';
import type { RolloutId } from '../../../shared/core/ids.ts';
import { HttpWorld } from '../../support/http-world.ts';
import { ReportingPlant } from '../../support/reporting-plant.ts';

let world: HttpWorld;
let devices: ReportingPlant;
let operator: string;
beforeAll(async () => {
  world = await HttpWorld.open();
  devices = new ReportingPlant(world);
  operator = await world.token('operator');
  await devices.publish('2.0.0', '2');
  for (let n = 100; n < 160; n += 1) {
    // Few cells, so that boundaries cut some of them.
    const tags = { site: n % 3 === 0 ? 'oslo' : 'bergen' };
    await devices.add(`edge-${n}`, { isNew: n % 5 === 0, change: { tags, cell: (n % 7) * 400 } });
  }
});
afterAll(() => world.close());

const viewOf = async (id: RolloutId) =>
  (await world.get(operator, `/fleets/plant/rollouts/${id}`)).json<RolloutView>();
type Published = NonNullable<RolloutView['assignment']>;

/** By docs/protocol.md alone, with none of the server's code. */
function waveOf(
  { secret, strata }: Published,
  device: { readonly id: string; readonly cell: number; readonly key: string },
): number | 'control' | 'follow' {
  const number = (text: string) =>
    createHmac('sha256', Buffer.from(secret, 'hex')).update(text).digest().readUInt32BE(0);
  const cells = Array.from({ length: 4096 }, (_, cell) => ({ cell, at: number(`order/${cell}`) }));
  cells.sort((a, b) => a.at - b.at || a.cell - b.cell);
  const rank = cells.findIndex(({ cell }) => cell === device.cell);
  const cut = number(`device/${device.id}`);
  const own = strata.find(({ stratum, isVeteran }) => `${isVeteran} ${stratum}` === device.key);
  if (own === undefined) throw new Error(`no stratum ${device.key}`);
  const isBefore = (boundary: { readonly rank: number; readonly cut: number }) =>
    rank < boundary.rank || (rank === boundary.rank && cut < boundary.cut);
  const wave = own.waves.findIndex(isBefore);
  if (wave >= 0) return wave;
  return own.isVeteran && !isBefore(own.control) ? 'control' : 'follow';
}

test('given a rollout that has not ended, neither its secret nor its boundaries are shown', async () => {
  const id = await devices.start(operator, { waves: [{ count: 10 }, { percent: 100 }] });
  expect(await viewOf(id)).not.toHaveProperty('assignment');
  await world.server.rollouts.turn('plant' as never);
  const raw = JSON.stringify(await viewOf(id));
  expect(raw).toContain('running wave 1');
  expect(raw).not.toMatch(/secret|strata/);
  const headers = {
    'if-match': String((await world.get(operator, `/fleets/plant/rollouts/${id}`)).headers['etag']),
  };
  await world.post(operator, `/fleets/plant/rollouts/${id}/abort`, { headers });
  await devices.settle(id);
  const aborted = await viewOf(id);
  expect(aborted.status).toBe('aborted');
  expect(aborted.assignment?.secret).toMatch(/^[0-9a-f]{64}$/);
});

test('given a rollout that has ended, whoever reckons with its secret finds the waves that it had', async () => {
  const waves = [{ count: 10 }, { percent: 60 }, { percent: 100 }];
  const plan = { waves, stratifyBy: ['tags.site'], holdback: { count: 8 }, overrideStop: true };
  const id = await devices.start(operator, plan);
  for (let wave = 0; wave <= waves.length; wave += 1) {
    await devices.settle(id);
    if ((await viewOf(id)).status === 'running') await devices.promote(operator, id);
  }
  await devices.settle(id);
  const view = await viewOf(id);
  expect(view.status).toBe('completed');
  const { assignment } = view;
  if (assignment === undefined) throw new Error('nothing is published');

  const exposures = await devices.exposures(id);
  const found = new Map<string, number>();
  for (const { device, wave } of exposures) {
    const shown = (await world.get(operator, `/fleets/plant/devices/${device}`)).json<{
      readonly cell: number;
      readonly tags: { readonly site: string };
    }>();
    const isVeteran = Number(device.slice(5)) % 5 !== 0;
    const key = `${isVeteran} ${JSON.stringify([shown.tags.site])}`;
    const reckoned = waveOf(assignment, { id: device, cell: shown.cell, key });
    const last = waves.length;
    expect([device, typeof reckoned === 'number' ? reckoned : last]).toEqual([device, wave]);
    found.set(String(reckoned), (found.get(String(reckoned)) ?? 0) + 1);
  }
  expect(exposures).toHaveLength(60);
  expect(found.get('0')).toBe(10);
  expect(found.get('control')).toBe(assignment.holdback);
});

test('given a rollout that has ended, the command line shows the secret and where to read on', async () => {
  const list = (await world.get(operator, '/fleets/plant/rollouts?status=completed')).json<{
    readonly items: readonly { readonly rollout: RolloutId }[];
  }>();
  const view = await viewOf(list.items[0]?.rollout ?? ('' as RolloutId));
  expect(showRollout(view)).toContain(`secret ${view.assignment?.secret}`);
});
