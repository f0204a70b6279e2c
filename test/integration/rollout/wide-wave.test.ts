import { afterAll, beforeAll, expect, test } from 'vitest';
import { openMemoryStore } from '../../../fleet-server/adapters/sql/sql-store.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { RolloutId } from '../../../shared/core/ids.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { HttpWorld } from '../../support/http-world.ts';
import { outcomesOnly, ReportingPlant } from '../../support/reporting-plant.ts';
import {
  device,
  deviceApp,
  digest,
  filetype,
  plant,
  targetPath,
} from '../../support/store-nouns.ts';

/** More than three turns may tell, and no multiple of what one tells. */
const members = 3 * limits.offersPerTurnMax + 7;
/** Of another group: the walk passes them and tells them nothing. */
const strangers = limits.waveWalkedPerTurnMax + 5;

const { store } = openMemoryStore();
let world: HttpWorld;
let rollout: RolloutId;
beforeAll(async () => {
  world = await HttpWorld.open({ store });
  await new ReportingPlant(world).publish('2.0.0', '2');
  await store.transaction(async (tx) => {
    for (let n = 0; n < strangers + members; n += 1) {
      const name = `edge-${String(n).padStart(5, '0')}`;
      const tags = { line: n < strangers ? 'other' : 'press' };
      await tx.devices.insert(device(name, { cell: (n * 331) % 4096, tags }));
      await tx.deviceApps.put(deviceApp(name, { desired: null, refused: [] }));
    }
  });
  const created = await world.server.rollouts.create(plant, {
    author: 'ada',
    request: {
      ...{ app: filetype, path: targetPath('2.0.0'), digest: digest('2'), membership: 'dynamic' },
      ...{ target: 'state = accepted and tags.line = press', waves: [{ percent: 100 }] },
      ...{ holdback: { count: 0 }, gates: outcomesOnly },
    },
  });
  if (!created.ok) throw new Error(created.error.message);
  rollout = created.value.rollout;
  const by = { kind: 'person', name: 'ada' } as const;
  const event = { type: 'submitted', by } as const;
  await world.server.rollouts.order({ fleet: plant, rollout }, { event, version: undefined });
});
afterAll(() => world.close());

const told = async (): Promise<number> => {
  const counts = await store.read((view) => view.offers.counts(plant, rollout));
  return counts.reduce((sum, { count }) => sum + count, 0);
};

/** Takes the next transaction that told somebody back, as a full disk would. */
function failOnce(): void {
  const transaction = store.transaction.bind(store);
  store.transaction = (work) =>
    transaction(async (tx) => {
      const before = await tx.offers.counts(plant, rollout);
      const done = await work(tx);
      const after = await tx.offers.counts(plant, rollout);
      if (JSON.stringify(after) === JSON.stringify(before)) return done;
      store.transaction = transaction;
      throw new OperatingError('disk-full', 'the disk is full', { retryable: true });
    });
}

test('given a wave wider than one turn may tell, each turn tells its part, and one that fails loses nobody', async () => {
  const sums: number[] = [];
  for (let turn = 0; turn < 12 && sums.at(-1) !== members; turn += 1) {
    if (turn === 3) failOnce();
    await world.server.rollouts.turn(plant).catch(() => undefined);
    sums.push(await told());
  }
  expect(sums.at(-1)).toBe(members);
  const steps = sums.map((sum, turn) => sum - (sums[turn - 1] ?? 0));
  expect(Math.max(...steps)).toBeLessThanOrEqual(limits.offersPerTurnMax);
  expect(steps.filter((step) => step > 0)).toHaveLength(
    Math.ceil(members / limits.offersPerTurnMax),
  );
});

test('given everybody was told, turns go on until the wave was walked through, and then rest', async () => {
  const moved: boolean[] = [];
  for (let turn = 0; turn < 12 && moved.at(-1) !== false; turn += 1) {
    moved.push(await world.server.rollouts.turn(plant));
  }
  expect(moved.at(-1)).toBe(false);
  expect(await told()).toBe(members);
  const row = await store.read((view) => view.rollouts.get(plant, rollout));
  expect(row?.status).toBe('running');
});
