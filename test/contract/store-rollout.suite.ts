import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Exposure, ExposurePhase } from '../../fleet-server/core/rollout/step-exposure.ts';
import type { Page } from '../../fleet-server/ports/repositories/page.ts';
import type { StoreTx } from '../../fleet-server/ports/store.ts';
import type { DeviceId } from '../../shared/core/ids.ts';
import {
  deviceId,
  digest,
  exposure,
  filetype,
  harbour,
  plant,
  rollout,
  rolloutId,
  roundId,
  targetPath,
} from '../support/store-nouns.ts';
import { type OpenStore, withStore } from './store.suite.ts';

const id = rolloutId('a');

export function storeRolloutSuite(name: string, open: OpenStore): void {
  describe(`Store, rollouts: ${name}`, () => {
    test('when two write the same version, the second is told and changes nothing', () =>
      withStore(open, async (store) => {
        const write = { expectedVersion: 1, patch: { status: 'paused' as const }, nowMs: 9 };
        await store.transaction(async (tx) => {
          await tx.rollouts.insert(rollout('a'));
          expect(await tx.rollouts.get(plant, id)).toEqual(rollout('a'));
          expect(await tx.rollouts.update(harbour, id, write)).toBe(false);
          expect(await tx.rollouts.update(plant, id, write)).toBe(true);
          const late = { ...write, patch: { status: 'aborting' as const } };
          expect(await tx.rollouts.update(plant, id, late)).toBe(false);
          const expected = rollout('a', { status: 'paused', version: 2, updatedAtMs: 9 });
          expect(await tx.rollouts.get(plant, id)).toEqual(expected);
        });
      }));

    test('when rollouts are listed, the newest is first and a cursor leads on', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          await tx.rollouts.insert(rollout('a', { createdAtMs: 1 }));
          await tx.rollouts.insert(rollout('b', { createdAtMs: 2, status: 'completed' }));
          await tx.rollouts.insert(rollout('c', { createdAtMs: 2, digest: digest('3') }));
          const first = await tx.rollouts.list(plant, {}, { limit: 2 });
          expect(first.map((row) => row.rollout)).toEqual([rolloutId('c'), rolloutId('b')]);
          const rest = await tx.rollouts.list(plant, {}, { limit: 2, after: first[1]! });
          expect(rest.map((row) => row.rollout)).toEqual([rolloutId('a')]);
          const open = { statuses: ['running' as const], app: filetype, digest: digest('2') };
          const running = await tx.rollouts.list(plant, open, { limit: 9 });
          expect(running.map((row) => row.rollout)).toEqual([rolloutId('a')]);
          expect(await tx.rollouts.listVersions(plant, open, { limit: 9 })).toEqual([
            { rollout: rolloutId('a'), app: filetype, version: 1 },
          ]);
          expect(await tx.rollouts.list(harbour, {}, { limit: 9 })).toEqual([]);
          expect(await tx.rollouts.countByStatus(plant)).toEqual(
            expect.arrayContaining([
              { status: 'running', count: 2 },
              { status: 'completed', count: 1 },
            ]),
          );
          expect(await tx.rollouts.countByStatus(harbour)).toEqual([]);
        });
      }));

    test('when digests are asked for, those that a rollout of the fleet has aborted are told', () =>
      withStore(open, async (store) => {
        const digests = ['2', '3', '4'].map(digest);
        await store.transaction(async (tx) => {
          await tx.rollouts.insert(rollout('a', { status: 'aborted', digest: digest('3') }));
          await tx.rollouts.insert(rollout('b', { status: 'aborting', digest: digest('2') }));
          await tx.rollouts.insert(rollout('c', { status: 'completed', digest: digest('4') }));
          await tx.rollouts.insert(rollout('d', { status: 'aborted', digest: digest('5') }));
          const stopped = await tx.rollouts.listStopped(plant, digests);
          expect(stopped).toEqual([digest('2'), digest('3')]);
          expect(await tx.rollouts.listStopped(harbour, digests)).toEqual([]);
        });
      }));

    test('when devices take a bundle back after its commit, it is counted by digest and rollout', () =>
      withStore(open, async (store) => {
        const regressed = {
          ...{ digest: digest('2'), rollout: id, device: deviceId('d1'), code: 'hang', atMs: 5 },
        };
        const later = { ...regressed, device: deviceId('d2'), code: 'accuracy', atMs: 9 };
        await store.transaction(async (tx) => {
          await tx.rollouts.addRegression(plant, regressed);
          await tx.rollouts.addRegression(plant, later);
          await tx.rollouts.addRegression(plant, { ...later, rollout: rolloutId('b') });
          await tx.rollouts.addRegression(plant, { ...later, digest: digest('3') });
          expect(await tx.rollouts.listRegressions(plant, [digest('2')])).toEqual([
            {
              ...{ digest: digest('2'), rollout: id, count: 2, firstAtMs: 5, lastAtMs: 9 },
              ...{ lastDevice: 'd2', lastCode: 'accuracy' },
            },
            {
              ...{ digest: digest('2'), rollout: rolloutId('b'), count: 1, firstAtMs: 9 },
              ...{ lastAtMs: 9, lastDevice: 'd2', lastCode: 'accuracy' },
            },
          ]);
          expect(await tx.rollouts.listRegressions(plant, [])).toEqual([]);
          expect(await tx.rollouts.listRegressions(harbour, [digest('2')])).toEqual([]);
        });
      }));

    test('when a device asks what it may be given, apps of drafts and of aborted rollouts are not named', () =>
      withStore(open, async (store) => {
        const app = (name: string) => name as typeof filetype;
        await store.transaction(async (tx) => {
          await tx.rollouts.insert(rollout('a', { app: app('b'), status: 'completed' }));
          await tx.rollouts.insert(rollout('b', { app: app('a'), status: 'running' }));
          await tx.rollouts.insert(rollout('c', { app: app('a'), status: 'completed' }));
          await tx.rollouts.insert(rollout('d', { app: app('c'), status: 'draft' }));
          await tx.rollouts.insert(rollout('e', { app: app('d'), status: 'aborted' }));
          expect(await tx.rollouts.listApps(plant)).toEqual(['a', 'b']);
          expect(await tx.rollouts.listApps(harbour)).toEqual([]);
        });
      }));

    test('when rollouts have started, the highest place among the claims is known, their fleet only', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          expect(await tx.rollouts.highestOrder(plant)).toBe(0);
          await tx.rollouts.insert(rollout('a', { reducerState: { kind: 'draft' } }));
          expect(await tx.rollouts.highestOrder(plant)).toBe(0);
          await tx.rollouts.insert(rollout('b', { reducerState: { order: 12 } }));
          await tx.rollouts.insert(rollout('c', { reducerState: { order: 7 } }));
          expect(await tx.rollouts.highestOrder(plant)).toBe(12);
          expect(await tx.rollouts.highestOrder(harbour)).toBe(0);
        });
      }));

    test('when events are appended, each rollout numbers its own', () =>
      withStore(open, async (store) => {
        const draft = { atMs: 1, actor: 'ada', kind: 'paused', reason: null, numbers: { wave: 2 } };
        await store.transaction(async (tx) => {
          await tx.rollouts.insert(rollout('a'));
          await tx.rollouts.insert(rollout('b'));
          await tx.rollouts.appendEvent(plant, id, draft);
          await tx.rollouts.appendEvent(plant, rolloutId('b'), draft);
          const second = await tx.rollouts.appendEvent(plant, id, { ...draft, reason: 'x-y' });
          expect(second).toMatchObject({ number: 2, reason: 'x-y', numbers: { wave: 2 } });
          const events = await tx.rollouts.listEvents(plant, id, { after: 1, limit: 9 });
          expect(events).toEqual([second]);
        });
      }));

    test('when offers change in any way, the counts are those of the rows', () =>
      withStore(open, async (store) => {
        const phase = fc.constantFrom<ExposurePhase>('offered', 'committed', 'failed');
        const code = fc.constantFrom(null, 'hang', 'slow');
        const change = fc.record({ wave: fc.constantFrom(0, 1), phase, code });
        const one = fc.tuple(fc.constantFrom('d1', 'd2', 'd3'), change);
        const together = fc.uniqueArray(one, { maxLength: 3, selector: ([name]) => name });
        const puts = fc.array(together, { maxLength: 8 });
        await store.transaction((tx) => tx.rollouts.insert(rollout('a')));
        const body = async (
          tx: StoreTx,
          list: readonly (readonly (readonly [string, object])[])[],
        ) => {
          for (const batch of list) {
            const offers = batch.map(([name, fields]) => ({
              ...{ cell: 7, arm: 'wave' as const, exposure: exposure(name, fields) },
            }));
            await tx.offers.putMany(plant, offers);
          }
          const page = { limit: 9 };
          const rows = await tx.offers.listByPhase(plant, id, { page });
          const counts = await tx.offers.counts(plant, id);
          for (const { wave, phase, count } of counts) {
            expect(rows.filter((row) => row.wave === wave && row.phase === phase)).toHaveLength(
              count,
            );
          }
          expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(rows.length);
          for (const { code, count } of await tx.offers.failureCodes(plant, id)) {
            const failed = rows.filter((row) => row.phase === 'failed' && row.code === code);
            expect(failed).toHaveLength(count);
          }
          throw new Error('undo');
        };
        await fc.assert(
          fc.asyncProperty(puts, async (list) => {
            const undone = store.transaction((tx) => body(tx, list));
            await expect(undone).rejects.toThrow(/^undo$/);
          }),
          { numRuns: 20 },
        );
      }));

    test('when an exposure is put, it is found by device, by phase and by its due time', () =>
      withStore(open, async (store) => {
        const late = { cell: 3, arm: 'wave' as const, exposure: exposure('d2', { dueAtMs: 5 }) };
        const done = exposure('d1', { phase: 'committed', dueAtMs: null, previous: null });
        await store.transaction(async (tx) => {
          await tx.rollouts.insert(rollout('a'));
          await tx.offers.put(plant, late);
          await tx.offers.put(plant, { cell: 4, arm: 'wave', exposure: exposure('d1') });
          expect(await tx.offers.listDue(plant, 9000, 9)).toHaveLength(2);
          await tx.offers.put(plant, { cell: 4, arm: 'wave', exposure: done });
          expect(await tx.offers.listDue(plant, 9000, 9)).toEqual([late]);
          expect(await tx.offers.listDue(plant, 4, 9)).toEqual([]);
          expect(await tx.offers.listDue(harbour, 9000, 9)).toEqual([]);
          expect(await tx.offers.listExposures(plant, [deviceId('d1')])).toEqual([done]);
          expect(await tx.offers.listExposures(harbour, [deviceId('d1')])).toEqual([]);
          expect(await tx.offers.get(plant, id, deviceId('d2'))).toEqual(late);
          const query = { phases: ['committed' as const], wave: 1, page: { limit: 9 } };
          expect(await tx.offers.listByPhase(plant, id, query)).toEqual([done]);
        });
      }));

    test('when a rollout is open, a device’s place in it is found, and no longer after it', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          await tx.rollouts.insert(rollout('a', { wave: 3 }));
          await tx.offers.put(plant, { cell: 7, arm: 'wave', exposure: exposure('d1') });
          await tx.offers.put(plant, { cell: 7, arm: 'control', exposure: exposure('d2') });
          const place = { rollout: id, app: filetype, digest: digest('2') };
          const devices = ['d2', 'd1', 'd9'].map(deviceId);
          expect(await tx.offers.listPlaces(plant, devices)).toEqual([
            { ...place, device: 'd1', arm: 'wave', wave: 1 },
            { ...place, device: 'd2', arm: 'control', wave: 3 },
          ]);
          expect(await tx.offers.listPlaces(harbour, devices)).toEqual([]);
          const end = { expectedVersion: 1, patch: { status: 'completed' as const }, nowMs: 9 };
          await tx.rollouts.update(plant, id, end);
          expect(await tx.offers.listPlaces(plant, devices)).toEqual([]);
        });
      }));

    test('when a device would go back from a rollout, what it goes back to is named, of that rollout alone', () =>
      withStore(open, async (store) => {
        const back = (digit: string) => ({
          ...{ app: filetype, path: targetPath('1.0.0'), digest: digest(digit), retry: 0 },
        });
        const offer = (device: string, digit: string, change: Partial<Exposure> = {}) => ({
          ...{ cell: 7, arm: 'wave' as const },
          exposure: exposure(device, { previous: back(digit), ...change }),
        });
        await store.transaction(async (tx) => {
          await tx.rollouts.insert(rollout('a'));
          await tx.rollouts.insert(rollout('b', { status: 'completed' }));
          await tx.rollouts.insert(rollout('c', { status: 'aborting' }));
          await tx.offers.putMany(plant, [
            offer('d1', '1'),
            offer('d2', '1'),
            offer('d3', '3', { rollout: rolloutId('c') }),
            offer('d3', '4', { rollout: rolloutId('b') }),
            { cell: 7, arm: 'control', exposure: exposure('d5', { previous: null }) },
          ]);
          const all = ['9', '4', '3', '1'].map(digest);
          const find = (rollout: string, page: Page<DeviceId> = { limit: 9 }, fleet = plant) =>
            tx.offers.findPrevious(fleet, rolloutId(rollout), { digests: all, page });
          expect(await find('a')).toEqual({ digests: [digest('1')], last: null });
          expect(await find('c')).toEqual({ digests: [digest('3')], last: null });
          expect(await find('a', { limit: 9 }, harbour)).toEqual({ digests: [], last: null });
          const first = await find('a', { limit: 2 });
          expect(first).toEqual({ digests: [digest('1')], last: 'd2' });
          const rest = await find('a', { limit: 2, after: deviceId('d2') });
          expect(rest).toEqual({ digests: [], last: null });
          const none = { digests: [], page: { limit: 9 } };
          expect((await tx.offers.findPrevious(plant, id, none)).digests).toEqual([]);
        });
      }));

    test('when a device contributes to a round twice, the second is not taken', () =>
      withStore(open, async (store) => {
        const round = {
          fleet: plant,
          round: roundId('a'),
          app: filetype,
          status: 'reporting',
          version: 1,
          reducerState: { goal: 2 },
          createdAtMs: 1,
          updatedAtMs: 1,
        };
        const contribution = {
          fleet: plant,
          round: round.round,
          device: deviceId('d2'),
          digest: digest('4'),
          samples: 40,
          verdict: 'counted',
          receivedAtMs: 5,
        };
        await store.transaction(async (tx) => {
          await tx.rounds.insert(round);
          expect(await tx.rounds.insertContribution(contribution)).toBe(true);
          const again = { ...contribution, digest: digest('5') };
          expect(await tx.rounds.insertContribution(again)).toBe(false);
          await tx.rounds.insertContribution({ ...contribution, device: deviceId('d1') });
          const listed = await tx.rounds.listContributions(plant, round.round, { limit: 9 });
          expect(listed.map(({ device }) => device)).toEqual(['d1', 'd2']);
          expect(listed[1]).toEqual(contribution);
          const write = { expectedVersion: 1, patch: { status: 'aggregated' }, nowMs: 6 };
          expect(await tx.rounds.update(plant, round.round, write)).toBe(true);
          expect(await tx.rounds.update(plant, round.round, write)).toBe(false);
          expect(await tx.rounds.list(plant, { limit: 9 })).toMatchObject([{ version: 2 }]);
          expect(await tx.rounds.get(harbour, round.round)).toBeNull();
          const later = { ...round, round: roundId('b'), createdAtMs: 2, status: 'selecting' };
          await tx.rounds.insert(later);
          const listedIn = async (statuses: readonly string[], limit = 9) =>
            (await tx.rounds.listIn(plant, statuses, limit)).map((row) => row.round);
          expect(await listedIn(['selecting', 'aggregated'])).toEqual([later.round, round.round]);
          expect(await listedIn(['selecting', 'aggregated'], 1)).toEqual([later.round]);
          expect(await listedIn(['aggregated'])).toEqual([round.round]);
          expect(await listedIn([])).toEqual([]);
          expect(await tx.rounds.listIn(harbour, ['selecting'], 9)).toEqual([]);
          expect(await tx.rounds.countByStatus(plant)).toEqual(
            expect.arrayContaining([{ status: 'aggregated', count: 1 }]),
          );
          expect(await tx.rounds.countByStatus(harbour)).toEqual([]);
        });
      }));
  });
}
