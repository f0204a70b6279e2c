import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { commitWindows } from '../../fleet-server/runner/commit-windows.ts';
import { WindowKeeper } from '../../fleet-server/runner/window-keeper.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { FleetId } from '../../shared/core/ids.ts';
import { RecordingLog } from '../../sim/world/recording-log.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { TimeLoop } from '../../sim/world/time-loop.ts';
import { deviceId, harbour, outboxId, plant, received } from '../support/store-nouns.ts';

const dayMs = 86_400_000;
const daysKept = 3;
const d1 = deviceId('d1');

let time: WorldTime;
let loop: TimeLoop;
let store: ReturnType<typeof openMemoryStore>['store'];
let keeper: WindowKeeper;
let log: RecordingLog;
let transactions = 0;

beforeEach(async () => {
  time = new WorldTime();
  loop = new TimeLoop(time);
  store = openMemoryStore().store;
  log = new RecordingLog();
  transactions = 0;
  const counting = new Proxy(store, {
    get: (target, name) => {
      if (name === 'transaction') transactions += 1;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const clock = new SimClock(time, 'server');
  keeper = new WindowKeeper({ store: counting, clock, log, daysKept });
  await store.transaction(async (tx) => {
    for (const fleet of [plant, harbour])
      await tx.fleets.insert({ fleet, title: '', createdAtMs: 0 });
  });
});
afterEach(() => store.close());

/** `count` windows of one device, all received now; counted as any window is. */
async function report(fleet: FleetId, first: number, count: number): Promise<void> {
  const receivedAtMs = time.startWallMs + time.nowMs;
  const batch = Array.from({ length: count }, (_, at) => ({
    ...{ ...received('d1', first + at), fleet, receivedAtMs },
  }));
  await store.transaction((tx) => commitWindows(tx, batch));
}

const latest = (fleet: FleetId) =>
  store.read(async (view) => (await view.windows.latestOf(fleet, d1)).map(({ last }) => last));

test('given windows older than are kept, they go, in batches of their own, and younger ones stay', async () => {
  const many = 2 * limits.windowPruneBatch + 7;
  await report(plant, 1, many);
  await report(harbour, 1, 1);
  await loop.runFor(2 * dayMs);
  await report(plant, many + 1, 5);
  await loop.runFor(dayMs - 1);
  expect(await loop.runUntil(keeper.prune())).toBe(0);
  await loop.runFor(2);
  transactions = 0;
  expect(await loop.runUntil(keeper.prune())).toBe(many + 1);
  // Three for the plant, whose last one was not full, and one for the harbour.
  expect(transactions).toBe(4);
  expect(await loop.runUntil(keeper.prune())).toBe(0);
  expect(await latest(plant)).toEqual([many + 5]);
  expect(await latest(harbour)).toEqual([]);
});

test('given a window that comes again long after it was removed, it is a duplicate and is not counted twice', async () => {
  await report(plant, 1, 3);
  await loop.runFor((daysKept + 1) * dayMs);
  await report(harbour, 1, 1);
  expect(await loop.runUntil(keeper.prune())).toBe(3);
  const again = { ...received('d1', 2), receivedAtMs: time.startWallMs + time.nowMs };
  const outcome = await store.transaction((tx) => commitWindows(tx, [again]));
  expect(outcome).toMatchObject({ counted: 0, acks: [{ ack: { durable: 3 } }] });
  const [mark] = await store.read((view) =>
    view.windows.marks(plant, [{ device: d1, outbox: outboxId('0') }]),
  );
  expect(mark?.durable).toBe(3);
});

test('given a running server, it looks once an hour and says how many went; it stops when the server does', async () => {
  await report(plant, 1, 4);
  await report(harbour, 1, 1);
  const stop = new AbortController();
  const running = loop.track('keeper', keeper.run(stop.signal));
  await loop.runFor(daysKept * dayMs - 1);
  expect(log.entries).toEqual([]);
  await loop.runFor(2 * limits.windowPruneMs);
  expect(log.entries.map(({ fields }) => fields['windows'])).toEqual([4]);
  stop.abort();
  await loop.runUntil(running);
  transactions = 0;
  await loop.runFor(2 * limits.windowPruneMs);
  expect(transactions).toBe(0);
});
