import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openWriter } from '../../../fleet-server/adapters/sql/engine/open-database.ts';
import { regressionsMigration } from '../../../fleet-server/adapters/sql/migrations/0006-regressions.ts';
import { migrations } from '../../../fleet-server/adapters/sql/migrations/migration-list.ts';
import { openFileStore } from '../../../fleet-server/adapters/sql/sql-store.ts';
import { digest, plant, rolloutId } from '../../support/store-nouns.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-regressions-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** As a server of before has left it: two devices committed the bundle, one of them took it back. */
function fill(path: string): void {
  const before = migrations.slice(0, migrations.indexOf(regressionsMigration));
  const database = openWriter({ path, migrations: before });
  const target = JSON.stringify({ path: 'p', digest: digest('2'), generation: 3, retry: 0 });
  const rollout = rolloutId('a');
  database.exec(`insert into fleets values ('plant', 'Plant', 1)`);
  database.exec(`insert into rollouts values ('plant', '${rollout}', 'filetype', '${digest('2')}',
    'completed', 1, 1, '{}', '{}', 'ada', 1, 1)`);
  const devices = [
    { name: 'edge-1', phase: 'failed', regressed: 1 },
    { name: 'edge-2', phase: 'committed', regressed: 0 },
    { name: 'edge-3', phase: 'failed', regressed: 0 },
  ];
  for (const { name, phase, regressed } of devices) {
    database.exec(`insert into devices values ('plant', '${name}', 'aa', 'bb', 'accepted', 'ee', 7,
      '{}', null, 1, '{}', null, null, 1, 1, 0, 900, null, 0, null, 0, 0, 0, 0, 0)`);
    database.exec(`insert into deviceApps values ('plant', '${name}', 'filetype', null, null,
      'committed', null, null, '${target}', 'accuracy', ${regressed}, 1, null, '[]')`);
    database.exec(`insert into offers values ('plant', '${rollout}', '${name}', 7, 'wave',
      'filetype', '${digest('2')}', 0, 0, 3, null, 10, 20, '${phase}', 'accuracy', null)`);
  }
  database.close();
}

test('given a store of before, what had been taken back after its commit counts from the first start on', async () => {
  const path = join(folder, 'skein.db');
  fill(path);
  const store = await openFileStore(path);
  const [regressions, exposures] = await store.read(async (view) => [
    await view.rollouts.listRegressions(plant, [digest('2')]),
    await view.offers.listByPhase(plant, rolloutId('a'), { page: { limit: 9 } }),
  ]);
  expect(regressions).toEqual([
    {
      ...{ digest: digest('2'), rollout: rolloutId('a'), count: 1, firstAtMs: 900 },
      ...{ lastAtMs: 900, lastDevice: 'edge-1', lastCode: 'accuracy' },
    },
  ]);
  expect(exposures.map(({ device, regressedRetry }) => [device, regressedRetry])).toEqual([
    ['edge-1', 0],
    ['edge-2', null],
    ['edge-3', null],
  ]);
  await store.close();
});
