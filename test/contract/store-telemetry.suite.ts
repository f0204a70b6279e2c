import { describe, expect, test } from 'vitest';
import type { StoredWindow, WindowMark } from '../../fleet-server/core/model/telemetry.ts';
import { emptyTotals } from '../../fleet-server/core/telemetry/cohort-totals.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { deviceId, harbour, outboxId, plant, rolloutId } from '../support/store-nouns.ts';
import { type OpenStore, withStore } from './store.suite.ts';

const stored = (id: number, change: Partial<StoredWindow> = {}): StoredWindow => ({
  id,
  device: deviceId('d1'),
  outbox: outboxId('0'),
  first: id,
  last: id,
  receivedAtMs: 10 * id,
  sealed: utf8(`{"n":${id},"text":"“${'x'.repeat(id)}”"}`),
  ...change,
});

const mark = (change: Partial<WindowMark> = {}): WindowMark => ({
  device: deviceId('d1'),
  outbox: outboxId('0'),
  durable: 1,
  ahead: [[3, 4]],
  latest: 1,
  ...change,
});

export function storeTelemetrySuite(name: string, open: OpenStore): void {
  describe(`Store, telemetry: ${name}`, () => {
    test('when a batch is inserted, each window has its own bytes again', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          expect(await tx.windows.latestId()).toBe(0);
          const batch = Array.from({ length: 600 }, (_, i) => stored(i + 1));
          await tx.windows.insertMany(plant, batch);
          await tx.windows.insertMany(plant, []);
          expect(await tx.windows.latestId()).toBe(600);
          await tx.windows.putMarks(plant, [
            mark({ latest: 577 }),
            mark({ latest: 600, outbox: outboxId('1') }),
          ]);
          const latest = await tx.windows.latestOf(plant, deviceId('d1'));
          expect(latest).toEqual([stored(600), stored(577)]);
          expect(await tx.windows.latestOf(harbour, deviceId('d1'))).toEqual([]);
        });
      }));

    test('when a mark is put again, it replaces the one before', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          await tx.windows.putMarks(plant, [mark(), mark({ device: deviceId('d2') })]);
          await tx.windows.putMarks(plant, [mark({ durable: 4, ahead: [] })]);
          const outboxes = [mark(), mark({ device: deviceId('d3') })];
          expect(await tx.windows.marks(plant, outboxes)).toEqual([
            mark({ durable: 4, ahead: [] }),
          ]);
          expect(await tx.windows.marks(harbour, outboxes)).toEqual([]);
          const { device, outbox } = mark();
          expect(await tx.windows.removeMark(plant, device, outbox)).toBe(true);
          expect(await tx.windows.marks(plant, outboxes)).toEqual([]);
        });
      }));

    test('when windows have aged, the oldest go first and no more than asked for', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          await tx.windows.insertMany(
            plant,
            [1, 2, 3, 4].map((id) => stored(id)),
          );
          await tx.windows.insertMany(harbour, [stored(5, { receivedAtMs: 0 })]);
          expect(await tx.windows.removeOlder(plant, 35, 2)).toBe(2);
          expect(await tx.windows.removeOlder(plant, 35, 2)).toBe(1);
          expect(await tx.windows.removeOlder(plant, 35, 2)).toBe(0);
          expect(await tx.windows.latestId()).toBe(5);
        });
      }));

    test('when every window has aged, the newest stays, so that no id is given out a second time', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          await tx.windows.insertMany(plant, [stored(1), stored(2)]);
          await tx.windows.putMarks(plant, [mark({ latest: 2 })]);
          expect(await tx.windows.removeOlder(plant, 1_000, 10)).toBe(1);
          expect(await tx.windows.latestId()).toBe(2);
          await tx.windows.insertMany(plant, [stored(3, { device: deviceId('d2') })]);
          expect(await tx.windows.removeOlder(plant, 1_000, 10)).toBe(1);
          expect(await tx.windows.latestOf(plant, deviceId('d1'))).toEqual([]);
          // Whatever a mark names, a device is shown no window but its own.
          await tx.windows.putMarks(plant, [mark({ latest: 3 })]);
          expect(await tx.windows.latestOf(plant, deviceId('d1'))).toEqual([]);
        });
      }));

    test('when cohort totals are put again, they replace the ones before', () =>
      withStore(open, async (store) => {
        const record = (wave: number, inferences: number) => ({
          fleet: plant,
          rollout: rolloutId('a'),
          arm: 'wave' as const,
          wave,
          totals: { ...emptyTotals, inferences, errors: [{ code: 'hang', count: 2 }] },
        });
        await store.transaction(async (tx) => {
          await tx.cohortTotals.put(plant, [record(1, 5), record(2, 6)]);
          await tx.cohortTotals.put(plant, [record(1, 9)]);
          expect(await tx.cohortTotals.find(plant, [record(1, 0)])).toEqual([record(1, 9)]);
          const all = await tx.cohortTotals.listOf(plant, rolloutId('a'));
          expect(all).toEqual([record(1, 9), record(2, 6)]);
          expect(await tx.cohortTotals.listOf(harbour, rolloutId('a'))).toEqual([]);
        });
      }));

    test('when a device contributes again, it is not among the new ones, in any wave', () =>
      withStore(open, async (store) => {
        const entry = (id: string, wave: number) => ({
          rollout: rolloutId('a'),
          arm: 'control' as const,
          wave,
          device: deviceId(id),
        });
        await store.transaction(async (tx) => {
          const add = (devices: ReturnType<typeof entry>[]) =>
            tx.cohortTotals.addDevices(plant, devices);
          expect(await add([entry('d2', 1), entry('d1', 1)])).toEqual([
            entry('d1', 1),
            entry('d2', 1),
          ]);
          expect(await add([entry('d1', 2), entry('d3', 2)])).toEqual([entry('d3', 2)]);
          expect(await add([])).toEqual([]);
        });
      }));
  });
}
