import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { openFileStore, type SqlStore } from '../fleet-server/adapters/sql/sql-store.ts';
import type { ReceivedWindow } from '../fleet-server/runner/commit-windows.ts';
import { TelemetryIntake } from '../fleet-server/runner/telemetry-intake.ts';
import { systemClock } from '../shared/adapters/clock/system-clock.ts';
import { limits } from '../shared/contracts/limits.ts';
import type { Window, WindowModel } from '../shared/contracts/window.ts';
import { utf8 } from '../shared/core/bytes.ts';
import type {
  AppName,
  DeviceId,
  Digest,
  FleetId,
  OutboxId,
  RolloutId,
} from '../shared/core/ids.ts';
import { printFigure, quantile } from './figure.ts';

/**
 * Durable telemetry windows per second through intake and store (no MQTT), against a bare loop of prepared inserts of
 * the same bytes, in groups of the same size, with `synchronous=FULL`. Both run in turns; the median pair counts.
 */
const devices = 500;
const windowsPerRun = 40_000;
const runs = 5;
const fleet = 'bench' as FleetId;
const rollout = 'rol-0000000000000001' as RolloutId;
const digest = `sha256:${'2'.repeat(64)}` as Digest;
const outbox = '0'.repeat(32) as OutboxId;
const deviceId = (index: number): DeviceId =>
  `device-${String(index).padStart(4, '0')}` as DeviceId;

function windowOf(number: number, sizeBytes: number): { window: Window; sealed: Uint8Array } {
  const model: WindowModel = {
    app: 'filetype' as AppName,
    digest,
    phase: 'committed',
    inferences: 25,
    errors: [],
    latency: [0, 3, 20, 2],
    predicted: [10, 5, 10],
    labelled: 25,
    correct: 24,
    confidenceMicros: 24_000_000,
    monitored: [],
  };
  const window = { outbox, first: number, last: number, fromMs: 0, toMs: 1000, models: [model] };
  const text = JSON.stringify(window);
  return { window, sealed: utf8(text.padEnd(sizeBytes)) };
}

/** Every device sends its windows in order, all devices in turns. */
function received(run: number, sizeBytes: number): readonly ReceivedWindow[] {
  const perDevice = windowsPerRun / devices;
  return Array.from({ length: windowsPerRun }, (_, i) => {
    const number = run * perDevice + Math.floor(i / devices) + 1;
    const device = deviceId(i % devices);
    return { fleet, device, ...windowOf(number, sizeBytes), receivedAtMs: 1000 * number };
  });
}

async function prepare(store: SqlStore): Promise<void> {
  await store.transaction(async (tx) => {
    await tx.fleets.insert({ fleet, title: 'Bench', createdAtMs: 0 });
    await tx.rollouts.insert({
      fleet,
      rollout,
      app: 'filetype' as AppName,
      digest,
      status: 'running',
      wave: 0,
      version: 1,
      spec: {},
      reducerState: {},
      author: 'bench',
      createdAtMs: 0,
      updatedAtMs: 0,
    });
    for (let i = 0; i < devices; i += 1) {
      await tx.offers.put(fleet, {
        cell: 0,
        arm: 'wave',
        exposure: {
          rollout,
          device: deviceId(i),
          app: 'filetype' as AppName,
          digest,
          retry: 0,
          wave: 0,
          generation: 1,
          previous: null,
          offeredAtMs: 0,
          acknowledgedAtMs: 1,
          phase: 'committed',
          code: null,
          dueAtMs: null,
          regressedRetry: null,
        },
      });
    }
  });
}

/** Windows per second from the first submit to the last ack. */
async function throughIntake(store: SqlStore, windows: readonly ReceivedWindow[]): Promise<number> {
  const last = windows.at(-1)?.window.last ?? 0;
  let acknowledged = 0;
  let done: () => void = () => undefined;
  const allDone = new Promise<void>((resolve) => {
    done = resolve;
  });
  const silent = () => undefined;
  const intake = new TelemetryIntake({
    store,
    clock: systemClock,
    log: { info: silent, warn: silent, error: silent },
    metrics: { count: silent, gauge: silent, observe: silent },
    releaseAck: ({ ack }) => {
      if (ack.durable === last) acknowledged += 1;
      if (acknowledged === devices) done();
    },
  });
  const abort = new AbortController();
  const running = intake.run(abort.signal);
  const fromMs = performance.now();
  for (const [index, window] of windows.entries()) {
    // Frames come in turns of the event loop, as from a broker; a full queue waits, as a device would.
    if (index % 64 === 63) await new Promise((resolve) => setImmediate(resolve));
    while (!intake.submit(window).ok) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await allDone;
  const seconds = (performance.now() - fromMs) / 1000;
  abort.abort();
  await running;
  return windows.length / seconds;
}

function bareLoop(path: string, windows: readonly ReceivedWindow[]): number {
  const database = new SqliteDatabase(path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec(
    `create table if not exists windows (id integer primary key, fleet text, device text,
      outbox text, first integer, last integer, receivedAtMs integer, sealed blob) strict`,
  );
  const insert = database.prepare(
    'insert into windows (fleet, device, outbox, first, last, receivedAtMs, sealed) values (?, ?, ?, ?, ?, ?, ?)',
  );
  const fromMs = performance.now();
  for (let at = 0; at < windows.length; at += limits.telemetryBatchMax) {
    const group = windows.slice(at, at + limits.telemetryBatchMax);
    database.transaction(() => {
      for (const { device, window, receivedAtMs, sealed } of group) {
        const { first, last } = window;
        insert.run(fleet, device, window.outbox, first, last, receivedAtMs, sealed);
      }
    })();
  }
  const seconds = (performance.now() - fromMs) / 1000;
  database.close();
  return windows.length / seconds;
}

async function measure(sizeBytes: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'skein-bench-'));
  try {
    const store = await openFileStore(join(folder, 'skein.db'));
    await prepare(store);
    const ours: number[] = [];
    const bare: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const windows = received(run, sizeBytes);
      bare.push(bareLoop(join(folder, 'bare.db'), windows));
      ours.push(await throughIntake(store, windows));
    }
    await store.close();
    const value = Math.round(quantile(ours, 0.5));
    const against = Math.round(quantile(bare, 0.5));
    printFigure({
      name: `store-windows-${sizeBytes}B`,
      value,
      unit: 'windows/s',
      against: `bare better-sqlite3 loop of prepared inserts: ${against} windows/s`,
      ratio: value / against,
      goal: 'the share of P1 that store and intake may cost',
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const sizeBytes of [300, 4096]) await measure(sizeBytes);
