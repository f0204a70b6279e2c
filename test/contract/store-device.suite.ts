import { describe, expect, test } from 'vitest';
import type { DesiredEnvelope } from '../../fleet-server/core/model/device-app.ts';
import { stratumOf } from '../../fleet-server/core/rollout/assignment.ts';
import { targetableOf } from '../../fleet-server/core/rollout/loaded-device.ts';
import type { Page } from '../../fleet-server/ports/repositories/page.ts';
import type { AppName, DeviceId, Digest } from '../../shared/core/ids.ts';
import {
  bootId,
  device,
  deviceApp,
  deviceId,
  digest,
  epochOf,
  filetype,
  harbour,
  plant,
  rolloutId,
  targetPath,
} from '../support/store-nouns.ts';
import { type OpenStore, withStore } from './store.suite.ts';

const nowMs = 0;

export function storeDeviceSuite(name: string, open: OpenStore): void {
  describe(`Store, devices: ${name}`, () => {
    test('when a device is read back, every field is what was written', () =>
      withStore(open, async (store) => {
        const written = device('d1', {
          tags: { canary: '', 'odd "name"': 'ø' },
          facts: { 'cpu.arch': 'x64', gpu: true, load: 0.1 },
          online: true,
          lastSeenMs: 253402300799999,
          presenceBoot: bootId('b'),
        });
        const read = await store.transaction(async (tx) => {
          await tx.devices.insert(written);
          return tx.devices.get(plant, written.device);
        });
        expect(read).toEqual(written);
      }));

    test('when another fleet asks for a device, it does not exist', () =>
      withStore(open, async (store) => {
        const id = deviceId('d1');
        await store.transaction(async (tx) => {
          await tx.devices.insert(device('d1'));
          await tx.deviceApps.put(deviceApp('d1'));
          expect(await tx.devices.get(harbour, id)).toBeNull();
          expect(await tx.devices.update(harbour, id, { zone: 'UTC' })).toBe(false);
          expect(await tx.devices.list(harbour, { nowMs }, { limit: 9 })).toEqual([]);
          expect(await tx.deviceApps.listOf(harbour, [id])).toEqual([]);
          expect(await tx.devices.requireReports(harbour)).toBe(0);
        });
      }));

    test('when digests are asked for, those that a device may still want come back, whatever it has them as', () =>
      withStore(open, async (store) => {
        const wanted = (digit: string) => ({
          ...{ path: targetPath('1.0.0'), digest: digest(digit), rollout: null },
          ...{ retry: 0, sinceMs: 1 },
        });
        const target = { path: targetPath('1.0.0'), digest: digest('5'), generation: 1, retry: 0 };
        const blank = { desired: null, active: null, lastGood: null, refused: [] };
        const has = (name: string, change: object) => deviceApp(name, { ...blank, ...change });
        await store.transaction(async (tx) => {
          for (const name of ['d1', 'd2', 'd3', 'd4', 'd5']) await tx.devices.insert(device(name));
          await tx.devices.insert(device('d6', { state: 'decommissioned' }));
          await tx.devices.insert(device('d7', { state: 'rejected' }));
          await tx.devices.insert(device('d8', { state: 'pending' }));
          await tx.deviceApps.putMany([
            has('d1', { desired: wanted('1') }),
            has('d2', { previous: wanted('2') }),
            has('d3', { active: digest('3') }),
            has('d4', { lastGood: digest('4') }),
            has('d5', { target }),
            has('d6', { active: digest('6') }),
            has('d7', { active: digest('7') }),
            has('d8', { active: digest('8'), lastGood: digest('a'), refused: [] }),
          ]);
          const all = ['8', '7', '6', '5', '4', '3', '2', '1'].map(digest);
          const needed = ['1', '2', '3', '4', '5', '8'].map(digest);
          const find = (digests: readonly Digest[], page: Page<DeviceId> = { limit: 20 }) =>
            tx.deviceApps.findNeeded(plant, { digests, page });
          expect(await find(all)).toEqual({ digests: needed, last: null });
          expect(await find([digest('9')])).toEqual({ digests: [], last: null });
          expect(await find([])).toEqual({ digests: [], last: null });
          const foreign = { digests: all, page: { limit: 20 } };
          expect((await tx.deviceApps.findNeeded(harbour, foreign)).digests).toEqual([]);
          // A device that has several apps is not cut in two.
          await tx.deviceApps.put(has('d2', { app: 'adder' as AppName, active: digest('7') }));
          const first = await find(all, { limit: 2 });
          expect(first).toEqual({ digests: ['1', '2', '7'].map(digest), last: 'd2' });
          const rest = await find(all, { limit: 7, after: deviceId('d2') });
          expect(rest).toEqual({ digests: ['3', '4', '5', '8'].map(digest), last: null });
          expect((await find(all, { limit: 6, after: deviceId('d2') })).last).toBe('d8');
        });
      }));

    test('when many devices are asked for, the known ones of the fleet come in order, with what is theirs', () =>
      withStore(open, async (store) => {
        const ids = ['d3', 'd9', 'd1'].map(deviceId);
        const ordered = (id: string): DesiredEnvelope => ({
          ...{ fleet: plant, device: deviceId(id), directorVersion: 1, generation: 5 },
          ...{ envelope: Uint8Array.of(1, 5), signedAtMs: 5 },
        });
        await store.transaction(async (tx) => {
          for (const id of ['d1', 'd2', 'd3']) {
            await tx.devices.insert(device(id));
            await tx.deviceApps.put(deviceApp(id));
            await tx.desiredEnvelopes.putNewer([ordered(id)]);
          }
          const idsOf = (rows: readonly { readonly device: string }[]) =>
            rows.map((row) => row.device);
          expect(await tx.devices.listByIds(plant, ids)).toEqual([device('d1'), device('d3')]);
          expect(idsOf(await tx.deviceApps.listOf(plant, ids))).toEqual(['d1', 'd3']);
          expect(await tx.desiredEnvelopes.listFor(plant, ids)).toEqual([
            ordered('d1'),
            ordered('d3'),
          ]);
          expect(await tx.devices.listByIds(plant, [])).toEqual([]);
          expect(await tx.devices.listByIds(harbour, ids)).toEqual([]);
          expect(await tx.desiredEnvelopes.listFor(harbour, ids)).toEqual([]);
        });
      }));

    test('when a device is patched, only the named fields change', () =>
      withStore(open, async (store) => {
        const patch = { online: true, facts: { gpu: true }, issuedGeneration: 3, zone: null };
        await store.transaction(async (tx) => {
          await tx.devices.insert(device('d1'));
          expect(await tx.devices.update(plant, deviceId('d1'), patch)).toBe(true);
          expect(await tx.devices.update(plant, deviceId('d1'), {})).toBe(true);
          expect(await tx.devices.update(plant, deviceId('d2'), patch)).toBe(false);
          expect(await tx.devices.get(plant, deviceId('d1'))).toEqual(device('d1', patch));
        });
      }));

    test('when a list is read page by page, every device comes once and in order', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          for (const id of ['d3', 'd1', 'd5', 'd2', 'd4']) {
            await tx.devices.insert(device(id, { cell: id === 'd5' ? 8 : 7 }));
          }
          const list = async (after?: string) => {
            const page = { limit: 2, ...(after === undefined ? {} : { after: deviceId(after) }) };
            return (await tx.devices.list(plant, { nowMs }, page)).map((row) => row.device);
          };
          expect(await list()).toEqual(['d1', 'd2']);
          expect(await list('d2')).toEqual(['d3', 'd4']);
          expect(await list('d4')).toEqual(['d5']);
          const cell = { nowMs, page: { limit: 9, after: deviceId('d2') } };
          const ofCell = await tx.devices.listCells(plant, [7], cell);
          expect(ofCell.map((row) => row.device)).toEqual(['d3', 'd4']);
          expect(await tx.devices.countByCell(plant, { nowMs })).toEqual([
            { cell: 7, count: 4 },
            { cell: 8, count: 1 },
          ]);
          const accepted = { state: 'accepted', online: false };
          expect(await tx.devices.countByState(plant)).toEqual([{ ...accepted, count: 5 }]);
          await tx.devices.update(plant, deviceId('d2'), { online: true });
          expect(await tx.devices.countByState(plant)).toEqual(
            expect.arrayContaining([
              { ...accepted, count: 4 },
              { ...accepted, online: true, count: 1 },
            ]),
          );
          expect(await tx.devices.countByState(harbour)).toEqual([]);
        });
      }));

    test('when members are counted, cell, veterans and stratum tell them apart as the assignment does', () =>
      withStore(open, async (store) => {
        const atMs = 100;
        const stratifyBy = ['tags.site', 'facts.slot'];
        const slots = [1, '1', true, undefined, 'a "quoted" b', 1e21, -0.5] as const;
        const fleetOf = slots.flatMap((slot, i) =>
          [7, 8].flatMap((cell) => [
            device(`v${i}${cell}`, { cell, facts: slot === undefined ? {} : { slot } }),
            device(`n${i}${cell}`, { cell, tags: {}, facts: slot === undefined ? {} : { slot } }),
          ]),
        );
        await store.transaction(async (tx) => {
          for (const one of fleetOf) await tx.devices.insert(one);
          await tx.devices.insert(device('p1', { state: 'pending' }));
          await tx.devices.insert(device('h1', { fleet: harbour }));
          for (const { device: id } of fleetOf) {
            const firstCommittedAtMs = id.startsWith('v') ? 10 : atMs;
            await tx.deviceApps.put(deviceApp(id, { firstCommittedAtMs }));
          }
          const query = { nowMs: atMs, app: filetype, stratifyBy };
          const counts = await tx.devices.countMembers(plant, query);
          const written = counts.map(({ cell, isVeteran, stratum, devices }) =>
            JSON.stringify([cell, isVeteran, JSON.parse(stratum), devices]),
          );
          const expected = fleetOf.map((one) => {
            const stratum = stratumOf(stratifyBy, targetableOf(one));
            const isVeteran = one.device.startsWith('v');
            return JSON.stringify([one.cell, isVeteran, JSON.parse(stratum), 1]);
          });
          expect(written.sort()).toEqual(expected.sort());
          const plain = await tx.devices.countMembers(plant, { ...query, stratifyBy: [] });
          const inSeven = plain.filter(({ cell }) => cell === 7);
          expect(inSeven.map(({ devices, stratum }) => [devices, stratum])).toEqual([
            [slots.length, '[]'],
            [slots.length, '[]'],
          ]);
        });
      }));

    test('when the store was restored, every device of the fleet must report first', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          await tx.devices.insert(device('d1'));
          await tx.devices.insert(device('h1', { fleet: harbour }));
          expect(await tx.devices.requireReports(plant)).toBe(1);
          expect((await tx.devices.get(plant, deviceId('d1')))?.needsReport).toBe(true);
          expect((await tx.devices.get(harbour, deviceId('h1')))?.needsReport).toBe(false);
        });
      }));

    test('when a report is stored, its bytes come back as they were', () =>
      withStore(open, async (store) => {
        const report = {
          fleet: plant,
          device: deviceId('d1'),
          epoch: epochOf('e'),
          number: 4,
          envelope: Uint8Array.of(0, 255, 10, 13),
          receivedAtMs: 9,
        };
        await store.transaction(async (tx) => {
          await tx.devices.insert(device('d1'));
          await tx.devices.putReportedEnvelope({ ...report, number: 3 });
          await tx.devices.putReportedEnvelope(report);
          expect(await tx.devices.reportedEnvelope(plant, deviceId('d1'))).toEqual(report);
          expect(await tx.devices.reportedEnvelope(plant, deviceId('d2'))).toBeNull();
        });
      }));

    test('when an app record is put, it is whole, and the questions about apps see it', () =>
      withStore(open, async (store) => {
        const other = deviceApp('d2', { active: digest('2'), firstCommittedAtMs: null });
        const changed = deviceApp('d1', {
          previous: deviceApp('d1').desired,
          desired: null,
          target: { path: targetPath('2.0.0'), digest: digest('2'), generation: 3, retry: 1 },
          regressed: true,
          refused: [],
        });
        await store.transaction(async (tx) => {
          for (const id of ['d1', 'd2', 'd3']) await tx.devices.insert(device(id));
          expect(await tx.deviceApps.isKnownGood(plant, filetype)).toBe(false);
          await tx.deviceApps.put(deviceApp('d1'));
          await tx.deviceApps.put(other);
          await tx.deviceApps.put(deviceApp('d3'));
          await tx.deviceApps.put(changed);
          expect(await tx.deviceApps.get(plant, deviceId('d1'), filetype)).toEqual(changed);
          const some = [deviceId('d2'), deviceId('d1')];
          expect(await tx.deviceApps.listFor(plant, filetype, some)).toEqual([changed, other]);
          expect(await tx.deviceApps.isKnownGood(plant, filetype)).toBe(true);
          expect(await tx.deviceApps.countByActive(plant, filetype)).toEqual([
            { digest: digest('1'), count: 2 },
            { digest: digest('2'), count: 1 },
          ]);
        });
      }));

    test('when an envelope is not newer than the stored one, nothing is written', () =>
      withStore(open, async (store) => {
        const envelope = (directorVersion: number, generation: number) => ({
          fleet: plant,
          device: deviceId('d1'),
          directorVersion,
          generation,
          envelope: Uint8Array.of(directorVersion, generation),
          signedAtMs: 5,
        });
        await store.transaction(async (tx) => {
          await tx.devices.insert(device('d1'));
          await tx.devices.insert(device('d2'));
          const put = (one: DesiredEnvelope) => tx.desiredEnvelopes.putNewer([one]);
          expect(await put(envelope(1, 5))).toEqual(['d1']);
          expect(await put(envelope(1, 5))).toEqual([]);
          expect(await put(envelope(1, 4))).toEqual([]);
          expect(await put(envelope(2, 1))).toEqual(['d1']);
          const other = { ...envelope(1, 9), device: deviceId('d2') };
          expect(await tx.desiredEnvelopes.putNewer([envelope(1, 9), other])).toEqual(['d2']);
          expect(await tx.desiredEnvelopes.get(plant, deviceId('d2'))).toEqual(other);
          expect(await tx.desiredEnvelopes.putNewer([])).toEqual([]);
          expect(await tx.desiredEnvelopes.get(plant, deviceId('d1'))).toEqual(envelope(2, 1));
        });
      }));

    test('when apps and orders of several devices are written, each device has its own', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          await tx.devices.insert(device('d1', { issuedGeneration: 3, issuedDirectorVersion: 2 }));
          await tx.devices.insert(device('d2'));
          await tx.deviceApps.put(deviceApp('d1'));
          const changed = deviceApp('d1', { previous: deviceApp('d1').desired, active: null });
          await tx.deviceApps.putMany([changed, deviceApp('d2', { regressed: true })]);
          const ids = [deviceId('d1'), deviceId('d2')];
          expect(await tx.deviceApps.listOf(plant, ids)).toEqual([
            changed,
            deviceApp('d2', { regressed: true }),
          ]);
          await tx.devices.issue(plant, [
            { device: deviceId('d1'), issuedGeneration: 4 },
            { device: deviceId('d2'), issuedGeneration: 7, issuedDirectorVersion: 5 },
            { device: deviceId('d9'), issuedGeneration: 8 },
          ]);
          await tx.devices.issue(harbour, [{ device: deviceId('d1'), issuedGeneration: 9 }]);
          expect(await tx.devices.listByIds(plant, ids)).toEqual([
            device('d1', { issuedGeneration: 4, issuedDirectorVersion: 2 }),
            device('d2', { issuedGeneration: 7, issuedDirectorVersion: 5 }),
          ]);
          await tx.deviceApps.putMany([]);
          await tx.devices.issue(plant, []);
        });
      }));

    test('when nothing of a rollout is known, an app record carries none', () =>
      withStore(open, async (store) => {
        const desired = { ...deviceApp('d1').desired!, rollout: null };
        await store.transaction(async (tx) => {
          await tx.devices.insert(device('d1'));
          await tx.deviceApps.put(deviceApp('d1', { desired }));
          const read = await tx.deviceApps.get(plant, deviceId('d1'), filetype);
          expect(read?.desired).toEqual(desired);
          expect(read?.desired?.rollout).not.toBe(rolloutId('a'));
        });
      }));
  });
}
