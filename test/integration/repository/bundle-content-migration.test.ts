import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openWriter } from '../../../fleet-server/adapters/sql/engine/open-database.ts';
import { bundleContentMigration } from '../../../fleet-server/adapters/sql/migrations/0009-bundle-content.ts';
import { migrations } from '../../../fleet-server/adapters/sql/migrations/migration-list.ts';
import { digest } from '../../support/store-nouns.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-content-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What the columns say after the migration of a store of before, by path. */
function migrated(name: string, fill: readonly string[]): unknown {
  const path = join(folder, name);
  const before = migrations.slice(0, migrations.indexOf(bundleContentMigration));
  const old = openWriter({ path, migrations: before });
  for (const [at, status] of ['live', 'deprecated', 'revoked'].entries()) {
    old.exec(`insert into bundles (fleet, path, name, version, digest, status, publishedAtMs)
      values ('plant', 'bundles/a@${at}.0.0', 'a', '${at}.0.0', '${digest('1')}', '${status}', 50)`);
  }
  for (const statement of fill) old.exec(statement);
  old.close();
  const database = openWriter({ path, migrations });
  const rows = database
    .prepare('select status, statusSinceMs, contentReleasedAtMs from bundles order by path')
    .raw()
    .all();
  database.close();
  return rows;
}

const audit = (number: number, atMs: number): string =>
  `insert into auditRows values (${number}, null, ${atMs}, 'olga', 'x', 'y', '{}', '', '')`;

test('given bundles of before, what was retired counts as retired at the newest audit row, and all keep their content', () => {
  expect(migrated('a.db', [audit(1, 70), audit(2, 90)])).toEqual([
    ['live', 50, null],
    ['deprecated', 90, null],
    ['revoked', 90, null],
  ]);
});

test('given no audit row, or only older ones, none is older than its publication', () => {
  for (const fill of [[], [audit(1, 40)]]) {
    expect(migrated(`${fill.length}.db`, fill)).toEqual([
      ['live', 50, null],
      ['deprecated', 50, null],
      ['revoked', 50, null],
    ]);
  }
});
