import { expect, test } from 'vitest';
import type { WindowModel } from '../../../shared/contracts/window.ts';
import type { AppName, DeviceId, Digest, FleetId, RolloutId } from '../../../shared/core/ids.ts';
import type { OpenPlace } from '../model/rollout.ts';
import { addToCohorts, countWindows } from './count-windows.ts';

const fleet = 'plant' as FleetId;
const app = 'filetype' as AppName;
const offered = `sha256:${'2'.repeat(64)}` as Digest;
const before = `sha256:${'1'.repeat(64)}` as Digest;

const model = (digest: Digest, inferences: number): WindowModel => ({
  app,
  digest,
  phase: 'committed',
  inferences,
  errors: [{ code: 'inference-failed', count: 1 }],
  latency: [0, inferences],
  predicted: [inferences],
  labelled: 0,
  correct: 0,
  confidenceMicros: 7,
  monitored: [],
});

const place = (device: string, change: Partial<OpenPlace> = {}): OpenPlace => ({
  device: device as DeviceId,
  rollout: 'rol-0000000000000001' as RolloutId,
  app,
  digest: offered,
  arm: 'wave',
  wave: 1,
  ...change,
});

const window = (device: string, models: WindowModel[]) => ({
  device: device as DeviceId,
  window: { models },
});

test('when devices of a wave run the offered bundle, their counts add up and each is named once', () => {
  const windows = [
    window('a1', [model(offered, 10)]),
    window('a2', [model(offered, 5)]),
    window('a1', [model(offered, 2)]),
  ];
  const { records, devices } = countWindows(fleet, windows, [place('a1'), place('a2')]);
  expect(records).toMatchObject([{ arm: 'wave', wave: 1 }]);
  expect(records[0]?.totals).toMatchObject({ windows: 3, inferences: 17, latency: [0, 17] });
  expect(records[0]?.totals.errors).toEqual([{ code: 'inference-failed', count: 3 }]);
  expect(devices.map(({ device }) => device)).toEqual(['a1', 'a2']);
});

test('when a device of a wave still runs what it had, that says nothing about the offer', () => {
  expect(countWindows(fleet, [window('a1', [model(before, 10)])], [place('a1')])).toEqual({
    records: [],
    devices: [],
  });
});

test('when a device is the control, it counts until it follows', () => {
  const control = place('b1', { arm: 'control', wave: 3 });
  const held = countWindows(fleet, [window('b1', [model(before, 10)])], [control]);
  expect(held.records).toMatchObject([{ arm: 'control', wave: 3, totals: { inferences: 10 } }]);
  const following = countWindows(fleet, [window('b1', [model(offered, 10)])], [control]);
  expect(following.records).toEqual([]);
});

test('when a device has no part in a rollout, or another app runs, nothing is counted', () => {
  const other = { ...model(offered, 10), app: 'bearing' as AppName };
  const strange = countWindows(fleet, [window('c1', [model(offered, 1)])], [place('a1')]);
  expect(strange.records).toEqual([]);
  expect(countWindows(fleet, [window('a1', [other])], [place('a1')]).records).toEqual([]);
});

test('when totals are stored already, new sums come on top of their own cohort only', () => {
  const { records, devices } = countWindows(
    fleet,
    [window('a1', [model(offered, 10)])],
    [place('a1')],
  );
  const [first] = addToCohorts([], records, devices);
  expect(first?.totals).toMatchObject({ inferences: 10, devices: 1 });
  const [sum] = addToCohorts([first!], records, []);
  expect(sum?.totals).toMatchObject({ inferences: 20, devices: 1 });
  const [apart] = addToCohorts([{ ...first!, wave: 9 }], records, []);
  expect(apart?.totals).toMatchObject({ inferences: 10, devices: 0 });
});
