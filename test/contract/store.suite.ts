import { describe, expect, test } from 'vitest';
import type { Store, StoreTx } from '../../fleet-server/ports/store.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { device, deviceId, harbour, plant } from '../support/store-nouns.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** Closes it as it may and opens it again on what is durable. */
  readonly reopen: () => Promise<StoreUnderTest>;
  readonly dispose: () => Promise<void>;
}

export type OpenStore = () => Promise<StoreUnderTest>;

/** Runs a test on a fresh store that knows two fleets. */
export async function withStore(
  open: OpenStore,
  body: (store: Store, whole: StoreUnderTest) => Promise<void>,
): Promise<void> {
  const whole = await open();
  try {
    await whole.store.transaction(async (tx) => {
      for (const fleet of [plant, harbour]) {
        await tx.fleets.insert({ fleet, title: fleet, createdAtMs: 1 });
      }
    });
    await body(whole.store, whole);
  } finally {
    await whole.dispose();
  }
}

const isKnown = (store: Store, name: string): Promise<boolean> =>
  store.read(async (view) => (await view.devices.get(plant, deviceId(name))) !== null);

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof OperatingError) return error.code;
    throw error;
  }
  return 'none';
};

/** What every Store promises about transactions. */
export function storeSuite(name: string, open: OpenStore): void {
  describe(`Store: ${name}`, () => {
    test('when a transaction has resolved, its rows are there after a reopen', () =>
      withStore(open, async (store, whole) => {
        await store.transaction((tx) => tx.devices.insert(device('d1')));
        const again = await whole.reopen();
        expect(await isKnown(again.store, 'd1')).toBe(true);
        await again.dispose();
      }));

    test('when the work throws, its rows are taken back and no other’s', () =>
      withStore(open, async (store) => {
        const sane = (id: string) => store.transaction((tx) => tx.devices.insert(device(id)));
        const broken = store.transaction(async (tx) => {
          await tx.devices.insert(device('d2'));
          throw new Error('changed my mind');
        });
        const [first, second, third] = await Promise.allSettled([sane('d1'), broken, sane('d3')]);
        expect([first.status, third.status]).toEqual(['fulfilled', 'fulfilled']);
        expect(second).toMatchObject({ reason: { message: 'changed my mind' } });
        expect(await isKnown(store, 'd1')).toBe(true);
        expect(await isKnown(store, 'd2')).toBe(false);
        expect(await isKnown(store, 'd3')).toBe(true);
      }));

    test('when a statement breaks a rule, the work can catch it and go on', () =>
      withStore(open, async (store) => {
        await store.transaction((tx) => tx.devices.insert(device('d1')));
        const outcome = await store.transaction(async (tx) => {
          const code = await codeOf(tx.devices.insert(device('d1')));
          await tx.devices.insert(device('d2'));
          return code;
        });
        expect(outcome).toBe('store-conflict');
        expect(await isKnown(store, 'd2')).toBe(true);
      }));

    test('when many transactions are given at once, they run one after the other in order', () =>
      withStore(open, async (store) => {
        const order: string[] = [];
        const work = (id: string) => async (tx: StoreTx) => {
          order.push(`begin ${id}`);
          await tx.devices.insert(device(id));
          await tx.devices.get(plant, deviceId(id));
          order.push(`end ${id}`);
        };
        const ids = Array.from({ length: 40 }, (_, i) => `d${String(i).padStart(2, '0')}`);
        await Promise.all(ids.map((id) => store.transaction(work(id))));
        expect(order).toEqual(ids.flatMap((id) => [`begin ${id}`, `end ${id}`]));
        const page = { limit: 100 };
        const devices = await store.read((view) => view.devices.list(plant, { nowMs: 0 }, page));
        expect(devices.map((row) => row.device)).toEqual(ids);
      }));

    test('when a transaction counts up a field, none of many increments is lost', () =>
      withStore(open, async (store) => {
        await store.transaction((tx) => tx.devices.insert(device('d1')));
        const increment = () =>
          store.transaction(async (tx) => {
            const row = await tx.devices.get(plant, deviceId('d1'));
            const presenceSeq = (row?.presenceSeq ?? 0) + 1;
            await tx.devices.update(plant, deviceId('d1'), { presenceSeq });
          });
        await Promise.all(Array.from({ length: 30 }, increment));
        const row = await store.read((view) => view.devices.get(plant, deviceId('d1')));
        expect(row?.presenceSeq).toBe(30);
      }));

    test('when a read overlaps a transaction, it sees none or all of its rows', () =>
      withStore(open, async (store) => {
        const writing = store.transaction(async (tx) => {
          await tx.devices.insert(device('d1'));
          await tx.devices.insert(device('d2'));
        });
        const reading = store.read((view) => view.devices.count(plant, { nowMs: 0 }));
        await writing;
        expect([0, 2]).toContain(await reading);
        expect(await store.read((view) => view.devices.count(plant, { nowMs: 0 }))).toBe(2);
      }));

    test('when a foreign key has no partner, the row is refused', () =>
      withStore(open, async (store) => {
        const stranger = device('d1', { fleet: 'nowhere' as typeof plant });
        const insert = store.transaction((tx) => tx.devices.insert(stranger));
        expect(await codeOf(insert)).toBe('store-conflict');
      }));

    test('when the store is closed, what was begun ends well and new work is refused', () =>
      withStore(open, async (store) => {
        const begun = store.transaction((tx) => tx.devices.insert(device('d1')));
        const closing = store.close();
        await begun;
        await closing;
        await store.close();
        expect(await codeOf(store.transaction((tx) => tx.fleets.list()))).toBe('store-closed');
        expect(await codeOf(store.read((view) => view.fleets.list()))).toBe('store-closed');
      }));
  });
}
