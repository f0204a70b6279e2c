import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { EmbeddedBroker } from '../fleet-server/adapters/broker/embedded-broker.ts';
import { createJwtSessionTokens } from '../fleet-server/adapters/session-token/jwt-session-tokens.ts';
import { openFileStore, type SqlStore } from '../fleet-server/adapters/sql/sql-store.ts';
import { cellOf } from '../fleet-server/core/rollout/cells.ts';
import { FleetServer } from '../fleet-server/runner/fleet-server.ts';
import { systemClock as clock } from '../shared/adapters/clock/system-clock.ts';
import { cryptoRandom as random } from '../shared/adapters/random/crypto-random.ts';
import { IntlZones } from '../shared/adapters/zones/intl-zones.ts';
import type { AppName, BootId, DeviceId, Epoch, FleetId } from '../shared/core/ids.ts';
import { createSoftwareSigner } from '../shared/trust/ed25519.ts';

export const benchFleet = 'plant' as FleetId;
export const benchApp = 'filetype' as AppName;
export const benchBoot = '0'.repeat(32) as BootId;
export const benchEpoch = 'e'.repeat(32) as Epoch;
/** Of every session: what is measured is the server, not the secrecy of its bench. */
export const benchSessionKey = new Uint8Array(32).fill(7);

export const benchDevice = (index: number): DeviceId =>
  `edge-${String(index).padStart(6, '0')}` as DeviceId;

const silent = (): void => undefined;
const hourMs = 3_600_000;

export interface FleetBench {
  readonly store: SqlStore;
  readonly server: FleetServer;
  readonly port: number;
  /** A broker password for the device, whose session is open. */
  login(device: DeviceId): Promise<string>;
  /** Rows of a table, read beside the store. */
  count(table: 'windows' | 'offers'): number;
  close(): Promise<void>;
}

/** A fleet server with its real store and broker, and `devices` accepted devices that have enrolled before. */
export async function openFleetBench(devices: number): Promise<FleetBench> {
  const folder = await mkdtemp(join(tmpdir(), 'skein-bench-'));
  const path = join(folder, 'skein.db');
  const store = await openFileStore(path);
  await store.transaction((tx) =>
    tx.fleets.insert({ fleet: benchFleet, title: 'Plant', createdAtMs: 1 }),
  );
  enrol(path, devices);
  const beside = new SqliteDatabase(path, { readonly: true });
  const signer = createSoftwareSigner(new Uint8Array(32).fill(1));
  const tokens = createJwtSessionTokens({ seed: random.bytes(32), clock, random });
  const metrics = { count: silent, gauge: silent, observe: silent };
  const log = { info: silent, warn: silent, error: silent };
  const broker = new EmbeddedBroker({
    ...{ listen: [{ host: '127.0.0.1', port: 0 }], clock, metrics, log },
    bounds: { connectsBurst: devices, pendingMax: devices },
  });
  const server = new FleetServer(
    {
      ...{ store, broker, clock, random, tokens, log, metrics, zones: new IntlZones() },
      keys: { signer: () => signer },
    },
    {
      ...{ boot: benchBoot, audience: 'http://127.0.0.1', brokerUrl: 'mqtt://127.0.0.1' },
      ...{ cellKey: new Uint8Array(32), directorVersion: 1, orderLifeMs: hourMs, jitterMs: 0 },
      revoked: () => new Set(),
    },
  );
  const stop = new AbortController();
  const running = server.run(stop.signal);
  while (broker.ports().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  return {
    ...{ store, server, port: broker.ports()[0] ?? 0 },
    login: async (device) => {
      const address = { fleet: benchFleet, device };
      const issued = await tokens.issue(address, { audience: 'skein-broker', ttlMs: hourMs });
      const { token, jti, expiresAtMs } = issued;
      const session = { address, jti, epoch: benchEpoch, key: benchSessionKey, expiresAtMs };
      server.live.open(session, clock.nowMs());
      return token;
    },
    count: (table) =>
      (beside.prepare(`select count(*) as n from ${table}`).get() as { readonly n: number }).n,
    close: async () => {
      stop.abort();
      await running;
      beside.close();
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** Rows by plain statements: enrolling is not what is measured. */
function enrol(path: string, devices: number): void {
  const database = new SqliteDatabase(path);
  const key = new Uint8Array(32);
  const addDevice = database.prepare(
    `insert into devices values (?, ?, 'aa', 'bb', 'accepted', ?, ?, '{"site":"oslo"}', null, 1,
     '{"cpu.arch":"arm64"}', null, null, 1, 1, 0, null, null, 0, null, 0, 0, 0, 0, 0)`,
  );
  database.transaction(() => {
    for (let i = 0; i < devices; i += 1) {
      const id = benchDevice(i);
      addDevice.run(benchFleet, id, benchEpoch, cellOf(key, id));
    }
  })();
  database.close();
}
