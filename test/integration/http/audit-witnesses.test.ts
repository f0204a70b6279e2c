import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runSkein } from '../../../cli/program.ts';
import { openMemoryStore } from '../../../fleet-server/adapters/sql/sql-store.ts';
import { sealAuditRow } from '../../../fleet-server/core/audit/audit-chain.ts';
import type { AuditRow } from '../../../fleet-server/core/model/audit-row.ts';
import { verifyAudit } from '../../../fleet-server/runner/verify-audit.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { verifyEnvelope } from '../../../shared/trust/dsse.ts';
import { openVerifyingKey } from '../../../shared/trust/ed25519.ts';
import { SmokeFleet } from '../../../sim/scenarios/smoke-fleet.ts';
import { startRollout } from '../../../sim/scenarios/smoke-world.ts';
import { HttpWorld } from '../../support/http-world.ts';

const secondMs = 1_000;
let folder: string;
let tokenFile: string;
/** The server's database after devices have obeyed an order, with an operator who may look. */
let honest: Uint8Array;
let port = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-witness-'));
  const world = new SmokeFleet('witnesses', [{ version: '1.0.0' }]);
  await world.open(2);
  await world.loop.runFor(10 * secondMs);
  const [bundle] = world.bundles;
  if (bundle === undefined) throw new Error('there is no bundle');
  await world.loop.runUntil(startRollout(world, bundle));
  await world.loop.runFor(20 * secondMs);
  await world.stop();
  const seen = await world.loop.runUntil(
    world.store.read((view) => view.audit.listWitnesses({ limit: 9 })),
  );
  const key = openVerifyingKey(world.repository.keys.signer('audit').publicKey);
  if (key === undefined) throw new Error('there is no audit key');
  const keys = { role: 'audit', keys: [key], threshold: 1 } as const;
  expect(seen.reduce((sum, head) => sum + head.devices, 0)).toBe(2);
  for (const { signedHead } of seen) {
    expect(verifyEnvelope('auditHead', keys, utf8(signedHead)).ok).toBe(true);
  }
  const path = join(folder, 'smoke.db');
  await world.store.backupTo(path);
  await world.store.close();
  const server = openMemoryStore(new Uint8Array(await readFile(path)));
  const http = await HttpWorld.open({ store: server.store });
  tokenFile = join(folder, 'admin.token');
  await writeFile(tokenFile, http.admin, { mode: 0o600 });
  await http.app.close();
  honest = server.crash();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What somebody does to the database while the server is down. */
async function tampered(work: (database: Database) => void): Promise<Uint8Array> {
  const path = join(folder, 'tampered.db');
  await writeFile(path, honest);
  const database = new SqliteDatabase(path);
  work(database);
  database.pragma('wal_checkpoint(truncate)');
  database.close();
  return new Uint8Array(await readFile(path));
}

/** Starts a server over the image, asks it once, and ends it. */
async function verifyOver(image: Uint8Array, home: string) {
  const world = await HttpWorld.open({ store: openMemoryStore(image).store });
  // Always the same port: the machine remembers a server by its URL.
  await world.app.listen({ host: '127.0.0.1', port });
  ({ port } = world.app.server.address() as AddressInfo);
  let out = '';
  const flags = ['--server', `http://127.0.0.1:${port}`, '--token-file', tokenFile, '-o', 'json'];
  const exitCode = await runSkein(['audit', 'verify', '--home', join(folder, home), ...flags], {
    out: (text) => {
      out += text;
    },
    err: () => undefined,
  });
  await world.close();
  return { exitCode, ...(JSON.parse(out) as { code?: string; detail?: string; devices?: number }) };
}

const rowsOf = (database: Database): readonly AuditRow[] =>
  database
    .prepare<[], AuditRow & { details: string }>('select * from auditRows order by number')
    .all()
    .map((row) => ({ ...row, details: JSON.parse(row.details) as AuditRow['details'] }));

/** The same history with another actor in row `at`, and every hash from there on made anew. */
function rewriteFrom(database: Database, at: number): void {
  let last: AuditRow | null = null;
  const update = database.prepare(
    'update auditRows set actor = ?, previousHash = ?, hash = ? where number = ?',
  );
  for (const row of rowsOf(database)) {
    const { previousHash: _, hash: __, number: ___, ...draft } = row;
    const actor = row.number === at ? 'nobody' : row.actor;
    last = sealAuditRow(last, { ...draft, actor });
    update.run(actor, last.previousHash, last.hash, row.number);
  }
}

const witnessedSize = (database: Database): number =>
  database.prepare<[], number>('select max(size) from auditWitnesses').pluck().get() ?? 0;

test('given an honest server, the chain agrees with all devices, and the next time with this machine', async () => {
  expect(await verifyOver(honest, 'honest')).toMatchObject({
    ...{ exitCode: 0, auditOk: true, devices: 2, remembered: 0 },
  });
  expect(await verifyOver(honest, 'honest')).toMatchObject({ exitCode: 0, remembered: 1 });
  const { store } = openMemoryStore(honest);
  expect(await verifyAudit(store, [])).toMatchObject({ ok: true, value: { devices: 2 } });
  await store.close();
});

test('given a history that was written anew after devices saw it, they are named as those who saw another', async () => {
  const image = await tampered((database) => rewriteFrom(database, 1));
  const found = await verifyOver(image, 'forked');
  expect(found).toMatchObject({ exitCode: 9, code: 'audit-forked' });
  expect(found.detail).toMatch(/^row \d+ is not what was seen by device edge-\d of smoke/);
  const { store } = openMemoryStore(image);
  expect(await verifyAudit(store, [])).toMatchObject({ error: { code: 'audit-forked' } });
  await store.close();
});

test('given rows that were cut off after devices saw them, the first that is missing is named', async () => {
  let kept = 0;
  const image = await tampered((database) => {
    kept = witnessedSize(database) - 1;
    database.prepare('delete from auditRows where number > ?').run(kept);
  });
  const found = await verifyOver(image, 'cut');
  expect(found).toMatchObject({ exitCode: 9, code: 'audit-cut' });
  expect(found.detail).toMatch(`row ${kept + 1} is missing; it was seen by device edge-`);
});

test('given one row that was changed in place, it is named', async () => {
  const image = await tampered((database) =>
    database.exec("update auditRows set actor = 'nobody' where number = 2"),
  );
  const found = await verifyOver(image, 'rewritten');
  expect(found).toMatchObject({ exitCode: 9, code: 'audit-rewritten' });
  expect(found.detail).toBe('row 2 is not what was written');
});

test('given a server that forgot its devices too, this machine remembers what it saw', async () => {
  expect(await verifyOver(honest, 'memory')).toMatchObject({ exitCode: 0 });
  const image = await tampered((database) => {
    rewriteFrom(database, 1);
    database.exec('delete from auditWitnesses');
  });
  const found = await verifyOver(image, 'memory');
  expect(found).toMatchObject({ exitCode: 9, code: 'audit-forked' });
  expect(found.detail).toContain(`seen by this machine (${join(folder, 'memory', 'audit')}`);
  // A machine that never asked before has nothing to hold against it.
  expect(await verifyOver(image, 'stranger')).toMatchObject({ exitCode: 0, devices: 0 });
});
