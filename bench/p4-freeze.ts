/**
 * P4: creating a rollout over a large fleet and opening its first wave, in the store that production opens, compared
 * with reading every row of the fleet once by the same driver. Run after a build:
 * `node dist/bench/p4-freeze.js [devices]`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import SqliteDatabase from 'better-sqlite3';
import { openFileStore } from '../fleet-server/adapters/sql/sql-store.ts';
import { cellOf } from '../fleet-server/core/rollout/cells.ts';
import { Director } from '../fleet-server/runner/director.ts';
import { HeadSigner } from '../fleet-server/runner/head-signer.ts';
import { RolloutBook } from '../fleet-server/runner/rollout/rollout-book.ts';
import { RolloutDesk } from '../fleet-server/runner/rollout/rollout-desk.ts';
import { systemClock as clock } from '../shared/adapters/clock/system-clock.ts';
import { cryptoRandom as random } from '../shared/adapters/random/crypto-random.ts';
import { IntlZones } from '../shared/adapters/zones/intl-zones.ts';
import type { AppName, BootId, DeviceId, Digest, FleetId, TargetPath } from '../shared/core/ids.ts';
import { createPrng } from '../shared/core/prng.ts';
import { createSoftwareSigner } from '../shared/trust/ed25519.ts';
import { SimBroker } from '../sim/world/sim-broker.ts';
import { printFigure } from './figure.ts';

const devices = Number(process.argv[2] ?? 100_000);
const fleet = 'plant' as FleetId;
const app = 'filetype' as AppName;
const folder = await mkdtemp(join(tmpdir(), 'skein-p4-'));
const path = join(folder, 'skein.db');

/** Rows by plain statements: a million enrolments are not what is measured. */
function fill(): void {
  const database = new SqliteDatabase(path);
  const key = new Uint8Array(32);
  const addDevice = database.prepare(
    `insert into devices values (?, ?, 'aa', 'bb', 'accepted', 'ee', ?, '{"site":"oslo"}', null, 1,
     '{"cpu.arch":"arm64"}', null, null, 1, 1, 0, null, null, 0, null, 0, 0, 0, 0, 0)`,
  );
  const addApp = database.prepare(
    `insert into deviceApps values (?, ?, ?, null, null, 'committed', null, null, null, null, 0, 1,
     null, '[]')`,
  );
  database.transaction(() => {
    for (let i = 0; i < devices; i += 1) {
      const id = `edge-${String(i).padStart(7, '0')}`;
      addDevice.run(fleet, id, cellOf(key, id as DeviceId));
      addApp.run(fleet, id, app);
    }
  })();
  database.close();
}

function readAllSeconds(): number {
  const database = new SqliteDatabase(path, { readonly: true });
  const begin = performance.now();
  let seen = 0;
  for (const row of database.prepare('select * from devices').iterate()) if (row) seen += 1;
  database.close();
  if (seen !== devices) throw new Error(`${seen} rows`);
  return (performance.now() - begin) / 1000;
}

const store = await openFileStore(path);
await store.transaction((tx) => tx.fleets.insert({ fleet, title: 'Plant', createdAtMs: 1 }));
fill();
const peerSeconds = readAllSeconds();
const director = new Director({
  ...{ store, clock, random, directorVersion: 1, orderLifeMs: 86_400_000 },
  revoked: () => new Set(),
  broker: new SimBroker({ clock, prng: createPrng('p4') }),
  signer: createSoftwareSigner(new Uint8Array(32)),
  heads: new HeadSigner(createSoftwareSigner(new Uint8Array(32).fill(1))),
  boot: '0'.repeat(32) as BootId,
});
const book = new RolloutBook();
const desk = new RolloutDesk({
  ...{ store, clock, random, director, book, zones: new IntlZones() },
  revoked: () => new Set(),
  jitterMs: 0,
});
const begin = performance.now();
const created = await desk.create(fleet, {
  author: 'bench',
  request: {
    app,
    path: 'bundles/filetype@2.0.0' as TargetPath,
    digest: `sha256:${'2'.repeat(64)}` as Digest,
    target: 'state = accepted',
    waves: [{ percent: 1 }, { percent: 10 }, { percent: 100 }],
  },
});
if (!created.ok) throw new Error(created.error.message);
const { rollout } = created.value;
const submitted = { type: 'submitted', by: { kind: 'person', name: 'bench' } } as const;
await desk.order({ fleet, rollout }, { event: submitted, version: undefined });
// The first turn freezes the membership, opens the first wave and tells its first batch.
await desk.turn(fleet);
const seconds = (performance.now() - begin) / 1000;
const row = await store.read((view) => view.rollouts.get(fleet, rollout));
const stateBytes = JSON.stringify(row?.reducerState).length;
await store.close();
await rm(folder, { recursive: true });

printFigure({
  ...{ name: `first wave of a rollout over ${devices} devices`, value: seconds, unit: 's' },
  ...{ against: `reading all rows once ${peerSeconds.toFixed(2)} s`, goal: '<= 3 s at 1,000,000' },
  ratio: seconds / peerSeconds,
});
printFigure({
  ...{ name: 'stored state of the rollout', value: stateBytes / devices, unit: 'bytes a device' },
  ...{ against: 'one 36 byte id a device', ratio: stateBytes / devices / 36 },
  goal: '<= 200 bytes',
});
