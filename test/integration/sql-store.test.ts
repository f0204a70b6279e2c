import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openWriter } from '../../fleet-server/adapters/sql/engine/open-database.ts';
import type {
  SqlConnection,
  SqlResult,
} from '../../fleet-server/adapters/sql/engine/sql-connection.ts';
import { SqliteSession } from '../../fleet-server/adapters/sql/engine/sqlite-session.ts';
import { TransactionQueue } from '../../fleet-server/adapters/sql/engine/transaction-queue.ts';
import type { Migration } from '../../fleet-server/adapters/sql/migrations/migrate-database.ts';
import { migrations } from '../../fleet-server/adapters/sql/migrations/migration-list.ts';
import { restoreStore } from '../../fleet-server/adapters/sql/restore-store.ts';
import { openFileStore, openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { realTurn } from '../../sim/world/real-turn.ts';
import { device, deviceId, plant } from '../support/store-nouns.ts';

let folder = '';
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-sql-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const thrownCode = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
  return 'none';
};

test('when the file is opened again, commits still wait for the disk', () => {
  for (const _ of ['first', 'second']) {
    const database = openWriter({ path: at('a.db'), migrations });
    expect(database.pragma('synchronous', { simple: true })).toBe(2);
    expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(database.pragma('foreign_keys', { simple: true })).toBe(1);
    database.close();
  }
});

test('when every table is listed, each is strict', () => {
  const database = openWriter({ path: at('a.db'), migrations });
  const tables = database.pragma('table_list') as {
    name: string;
    type: string;
    schema: string;
    strict: number;
  }[];
  const ours = tables.filter(({ name, type }) => type === 'table' && !name.startsWith('sqlite_'));
  expect(ours.length).toBeGreaterThan(20);
  expect(ours.filter(({ strict }) => strict !== 1)).toEqual([]);
  database.close();
});

test('when the file belongs to another program, is newer, or is damaged, nothing is touched', async () => {
  const foreign = new SqliteDatabase(at('foreign.db'));
  foreign.exec('create table notes (text)');
  foreign.close();
  const open = (name: string) => () => openWriter({ path: at(name), migrations });
  expect(thrownCode(open('foreign.db'))).toBe('store-foreign');

  const newer = openWriter({ path: at('newer.db'), migrations });
  newer.pragma(`user_version = ${migrations.length + 1}`);
  newer.close();
  expect(thrownCode(open('newer.db'))).toBe('store-too-new');
  await expect(openFileStore(at('newer.db'))).rejects.toMatchObject({ code: 'store-too-new' });

  await writeFile(at('damaged.db'), 'this is no database, only text that is long enough to look');
  await expect(openFileStore(at('damaged.db'))).rejects.toMatchObject({ code: 'store-corrupt' });
});

test('when a migration is due, a whole copy from before it stands beside the file', async () => {
  const path = at('a.db');
  openWriter({ path, migrations }).close();
  const second = `${String(migrations.length + 1).padStart(4, '0')}-more`;
  const more: Migration = { name: second, statements: ['create table more (a integer) strict'] };
  const database = openWriter({ path, migrations: [...migrations, more] });
  expect(database.pragma('user_version', { simple: true })).toBe(migrations.length + 1);
  database.close();
  expect(await readdir(folder)).toContain(`a.db.before-${second}`);
  const copy = openWriter({ path: `${path}.before-${second}`, migrations });
  expect(copy.pragma('user_version', { simple: true })).toBe(migrations.length);
  copy.close();
});

test('when a migration fails half way, the file stays as it was', () => {
  const path = at('a.db');
  openWriter({ path, migrations }).close();
  const broken: Migration = {
    name: `${String(migrations.length + 1).padStart(4, '0')}-broken`,
    statements: ['create table more (a integer) strict', 'create nonsense'],
  };
  expect(thrownCode(() => openWriter({ path, migrations: [...migrations, broken] }))).toBe(
    'SQLITE_ERROR',
  );
  const database = openWriter({ path, migrations });
  expect(database.prepare("select name from sqlite_schema where name = 'more'").all()).toEqual([]);
  database.close();
});

test('when a backup is restored, it has the rows, and every device must report first', async () => {
  const store = await openFileStore(at('a.db'));
  await store.transaction(async (tx) => {
    await tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 0 });
    await tx.devices.insert(device('d1'));
  });
  await store.backupTo(at('copy.db'));
  await store.transaction((tx) => tx.devices.insert(device('d2')));
  await store.close();
  expect(thrownCode(() => restoreStore({ from: at('copy.db'), to: at('a.db') }))).toBe(
    'store-conflict',
  );
  restoreStore({ from: at('copy.db'), to: at('b.db') });
  const restored = await openFileStore(at('b.db'));
  const [first, second] = await restored.read((view) =>
    Promise.all([view.devices.get(plant, deviceId('d1')), view.devices.get(plant, deviceId('d2'))]),
  );
  expect(first?.needsReport).toBe(true);
  expect(second).toBeNull();
  await restored.close();
});

test('when a process reads while another transaction is open, it waits for nothing', async () => {
  const store = await openFileStore(at('a.db'));
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const writing = store.transaction(async (tx) => {
    await tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 0 });
    await gate;
  });
  expect(await store.read((view) => view.fleets.list())).toEqual([]);
  release();
  await writing;
  expect(await store.read((view) => view.fleets.list())).toHaveLength(1);
  await store.close();
});

test('when nothing but microtasks has run, the store in memory has done its work', async () => {
  const { store } = openMemoryStore();
  const settled: string[] = [];
  const writes = Array.from({ length: 50 }, (_, i) =>
    store.transaction(async (tx) => {
      await tx.events.append(plant, { atMs: i, kind: 'x', subject: 's', content: null });
      await tx.events.list(plant, { limit: 9 });
    }),
  );
  void Promise.all(writes).then(() => settled.push('writes'));
  void store.read((view) => view.events.range(plant)).then(() => settled.push('read'));
  await realTurn();
  expect(settled.sort()).toEqual(['read', 'writes']);
});

test('when the power goes in the middle of a transaction, the image has the last commit', async () => {
  const { store, crash } = openMemoryStore();
  const fleet = (name: string) => ({ fleet: name as typeof plant, title: name, createdAtMs: 0 });
  await store.transaction((tx) => tx.fleets.insert(fleet('first')));
  let image: Uint8Array = new Uint8Array();
  const cut = store.transaction(async (tx) => {
    await tx.fleets.insert(fleet('second'));
    image = crash();
  });
  await expect(cut).rejects.toMatchObject({ code: 'store-closed' });
  const again = openMemoryStore(image);
  const fleets = await again.store.read((view) => view.fleets.list());
  expect(fleets.map((row) => row.fleet)).toEqual(['first']);
  await again.store.close();
});

/** A connection that only writes down what it was told, and fails where it is told to. */
function recordingConnection(failAt: string | null) {
  const said: string[] = [];
  const none: SqlResult = { rows: [], changes: 0 };
  const connection: SqlConnection = {
    execute: () => Promise.resolve(none),
    control: (sql) => {
      said.push(sql);
      return sql === failAt ? Promise.reject(new Error(`${sql} failed`)) : Promise.resolve();
    },
  };
  return { connection, said };
}

test('when several transactions wait, they share one commit', async () => {
  const { connection, said } = recordingConnection(null);
  const queue = new TransactionQueue(connection);
  await Promise.all([1, 2, 3].map((one) => queue.submit(() => Promise.resolve(one))));
  expect(said.filter((sql) => sql === 'commit')).toHaveLength(1);
  expect(said.filter((sql) => sql === 'savepoint work')).toHaveLength(3);
});

test('when the shared commit fails, nobody is told that it is durable', async () => {
  const { connection, said } = recordingConnection('commit');
  const queue = new TransactionQueue(connection);
  const outcomes = await Promise.allSettled(
    [1, 2].map((one) => queue.submit(() => Promise.resolve(one))),
  );
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(said.at(-1)).toBe('rollback');
});

test('when the transaction cannot begin, no work writes outside of it', async () => {
  const database = openWriter({ path: at('a.db'), migrations });
  const session = new SqliteSession(database);
  const connection: SqlConnection = {
    execute: async (statement) => session.execute(statement),
    control: async (sql) => {
      if (sql === 'begin immediate') throw new OperatingError('store-busy', 'locked');
      session.control(sql);
    },
  };
  const queue = new TransactionQueue(connection);
  const insert = {
    sql: "insert into fleets (fleet, title, createdAtMs) values ('plant', 'Plant', 0)",
    parameters: [],
  };
  const works = [1, 2].map(() => queue.submit(() => connection.execute(insert)));
  const outcomes = await Promise.allSettled(works);
  expect(outcomes).toMatchObject([
    { reason: { code: 'store-busy' } },
    { reason: { code: 'store-busy' } },
  ]);
  expect(database.prepare('select count(*) as count from fleets').get()).toEqual({ count: 0 });
  database.close();
});

test('when orders were signed before heads were, the migration has each signed anew before it is served', () => {
  const path = at('a.db');
  const before = openWriter({ path, migrations: migrations.slice(0, 2) });
  before.exec("insert into fleets values ('plant', 'Plant', 0)");
  before.exec(
    `insert into devices values ('plant', 'd1', 'aa', 'bb', 'accepted', 'ee', 7, '{}', null, 1, '{}', null, null, 1, 1,
     0, null, null, 0, null, 0, 0, 1, 1, 0)`,
  );
  before.exec("insert into desiredEnvelopes values ('plant', 'd1', 1, 1, x'00', 5000)");
  before.close();
  const after = openWriter({ path, migrations });
  const signedAtMs = after.prepare('select signedAtMs from desiredEnvelopes').pluck().get();
  expect(signedAtMs).toBe(0);
  after.close();
});
