import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type MemoryStore, openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import type { Store } from '../../fleet-server/ports/store.ts';
import type { WindowAck } from '../../fleet-server/runner/commit-windows.ts';
import { TelemetryIntake } from '../../fleet-server/runner/telemetry-intake.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { TimeLoop } from '../../sim/world/time-loop.ts';
import { silentLog, silentMetrics } from '../support/silent-ports.ts';
import { exposure, plant, received, rollout, rolloutId } from '../support/store-nouns.ts';

interface World {
  readonly loop: TimeLoop;
  readonly clock: SimClock;
}

const newWorld = (): World => {
  const time = new WorldTime();
  return { loop: new TimeLoop(time), clock: new SimClock(time, 'server') };
};

async function preparedStore(): Promise<MemoryStore> {
  const memory = openMemoryStore();
  await memory.store.transaction(async (tx) => {
    await tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 0 });
    await tx.rollouts.insert(rollout('a'));
    for (const id of ['d1', 'd2']) {
      await tx.offers.put(plant, { cell: 1, arm: 'wave', exposure: exposure(id) });
    }
  });
  return memory;
}

interface Intake {
  readonly intake: TelemetryIntake;
  readonly acks: WindowAck[];
  readonly stop: () => Promise<void>;
}

function start(world: World, store: Store): Intake {
  const acks: WindowAck[] = [];
  const ports = { store, clock: world.clock, log: silentLog, metrics: silentMetrics };
  const intake = new TelemetryIntake({ ...ports, releaseAck: (ack) => acks.push(ack) });
  const abort = new AbortController();
  // Not tracked: where the store crashes, the intake ends with it, as its process would.
  const running = intake.run(abort.signal);
  running.catch(() => undefined);
  return {
    intake,
    acks,
    stop: async () => {
      abort.abort();
      await world.loop.runUntil(running);
    },
  };
}

const countedWindows = async (store: Store): Promise<number> => {
  const records = await store.read((view) => view.cohortTotals.listOf(plant, rolloutId('a')));
  return records.reduce((sum, { totals }) => sum + totals.windows, 0);
};

test('when windows of two devices arrive together, each device gets one ack for all of its own', async () => {
  const world = newWorld();
  const { store } = await preparedStore();
  const { intake, acks, stop } = start(world, store);
  for (const number of [1, 2, 3]) intake.submit(received('d1', number));
  intake.submit(received('d2', 1));
  await stop();
  expect(acks.map(({ device, ack }) => [device, ack.durable])).toEqual([
    ['d1', 3],
    ['d2', 1],
  ]);
  expect(await countedWindows(store)).toBe(4);
  const [record] = await store.read((view) => view.cohortTotals.listOf(plant, rolloutId('a')));
  expect(record?.totals.devices).toBe(2);
});

test('when a window comes again, it is acknowledged again and not counted again', async () => {
  const world = newWorld();
  const { store } = await preparedStore();
  const first = start(world, store);
  first.intake.submit(received('d1', 1));
  first.intake.submit(received('d1', 1));
  await first.stop();
  const second = start(world, store);
  second.intake.submit(received('d1', 1));
  await second.stop();
  expect(second.acks).toEqual([
    { fleet: plant, device: 'd1', ack: { outbox: '0'.repeat(32), durable: 1 } },
  ]);
  expect(await countedWindows(store)).toBe(1);
});

test('when a window is missing, the ack stays below it until it comes', async () => {
  const world = newWorld();
  const { store } = await preparedStore();
  const { intake, acks, stop } = start(world, store);
  intake.submit(received('d1', 2));
  await world.loop.runUntil(world.clock.sleepUntil(world.clock.monotonicMs() + 100));
  intake.submit(received('d1', 1));
  await stop();
  expect(acks.map(({ ack }) => ack.durable)).toEqual([0, 2]);
});

test('when more wait than the queue holds, the answer is busy and nothing is kept', async () => {
  const world = newWorld();
  const { store } = await preparedStore();
  const { intake, acks, stop } = start(world, store);
  const answers = Array.from({ length: limits.telemetryQueueMax + 2 }, (_, i) =>
    intake.submit(received('d1', i + 1)),
  );
  expect(answers.filter(({ ok }) => !ok)).toHaveLength(2);
  expect(answers.at(-1)).toEqual({ ok: false, error: { code: 'telemetry-busy' } });
  await stop();
  expect(acks.at(-1)?.ack.durable).toBe(limits.telemetryQueueMax);
  expect(intake.submit(received('d1', 1)).ok).toBe(false);
});

test('when a commit fails for now, nothing is acknowledged and the windows may come again', async () => {
  const world = newWorld();
  const { store } = await preparedStore();
  let failures = 1;
  const failing: Store = {
    read: (work) => store.read(work),
    close: () => store.close(),
    transaction: (work) => {
      failures -= 1;
      if (failures < 0) return store.transaction(work);
      return store.transaction(async (tx) => {
        await work(tx);
        throw new OperatingError('disk-full', 'no space', { retryable: true });
      });
    },
  };
  const { intake, acks, stop } = start(world, failing);
  intake.submit(received('d1', 1));
  await world.loop.runUntil(world.clock.sleepUntil(world.clock.monotonicMs() + 1000));
  expect(acks).toEqual([]);
  intake.submit(received('d1', 1));
  await stop();
  expect(acks.map(({ ack }) => ack.durable)).toEqual([1]);
  expect(await countedWindows(store)).toBe(1);
});

test('when many devices are owed an ack, no turn releases more than the broker can take', async () => {
  const world = newWorld();
  const { store } = await preparedStore();
  const { intake, acks, stop } = start(world, store);
  const devices = 3 * limits.acksPerTurnMax + 5;
  for (let i = 0; i < devices; i += 1) intake.submit(received(`d${i}`, 1));
  let released = 0;
  while (released < devices) {
    await world.loop.runUntil(world.clock.sleepUntil(world.clock.monotonicMs() + 0.5));
    expect(acks.length - released).toBeLessThanOrEqual(limits.acksPerTurnMax);
    released = acks.length;
  }
  await stop();
  expect(new Set(acks.map(({ device }) => device)).size).toBe(devices);
});

test('when the server dies between commit and ack, the window is acknowledged later and counted once', async () => {
  const world = newWorld();
  const memory = await preparedStore();
  const dying: Store = {
    read: (work) => memory.store.read(work),
    close: () => memory.store.close(),
    transaction: async (work) => {
      await memory.store.transaction(work);
      return new Promise(() => undefined);
    },
  };
  const before = start(world, dying);
  before.intake.submit(received('d1', 1));
  await world.loop.runUntil(world.clock.sleepUntil(world.clock.monotonicMs() + 100));
  expect(before.acks).toEqual([]);
  const { store } = openMemoryStore(memory.crash());
  expect(await countedWindows(store)).toBe(1);
  const after = start(world, store);
  after.intake.submit(received('d1', 1));
  await after.stop();
  expect(after.acks.map(({ ack }) => ack.durable)).toEqual([1]);
  expect(await countedWindows(store)).toBe(1);
});

type Step =
  | { readonly kind: 'send'; readonly device: 'd1' | 'd2'; readonly number: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'crash'; readonly acksLost: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      device: fc.constantFrom('d1', 'd2'),
      number: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(12) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('crash' as const), acksLost: fc.boolean() }),
  },
);

test('whatever is sent, repeated, reordered or cut off, an acknowledged window is counted exactly once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = newWorld();
      let memory = await preparedStore();
      let running = start(world, memory.store);
      const sent = new Set<string>();
      const durable = new Map<string, number>();
      const collect = (): void => {
        for (const { device, ack } of running.acks) {
          durable.set(device, Math.max(durable.get(device) ?? 0, ack.durable));
        }
      };
      for (const one of steps) {
        if (one.kind === 'send') {
          running.intake.submit(received(one.device, one.number));
          sent.add(`${one.device} ${one.number}`);
        } else if (one.kind === 'wait') {
          await world.loop.runUntil(world.clock.sleepUntil(world.clock.monotonicMs() + one.ms));
        } else {
          // The old process hangs for ever in a world of its own; only what was committed goes on.
          if (!one.acksLost) collect();
          memory = openMemoryStore(memory.crash());
          running = start(world, memory.store);
        }
      }
      await running.stop();
      collect();
      const marks = await memory.store.read((view) =>
        view.windows.marks(plant, [received('d1', 1), received('d2', 1)].map(outboxOf)),
      );
      const ranges = marks.flatMap(({ durable: to, ahead }) => [[1, to] as const, ...ahead]);
      const distinct = ranges.reduce((sum, [first, last]) => sum + (last - first + 1), 0);
      expect(await countedWindows(memory.store)).toBe(distinct);
      for (const mark of marks) {
        expect(durable.get(mark.device) ?? 0).toBeLessThanOrEqual(mark.durable);
        for (let number = 1; number <= mark.durable; number += 1) {
          expect(sent.has(`${mark.device} ${number}`)).toBe(true);
        }
      }
      await memory.store.close();
    }),
    { numRuns: 60 },
  );
});

const outboxOf = ({ device, window: { outbox } }: ReturnType<typeof received>) => ({
  device,
  outbox,
});
