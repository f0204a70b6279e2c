import { expect, test } from 'vitest';
import { enrolmentStates } from '../../../shared/contracts/enrolment.ts';
import { device } from '../../../test/support/store-nouns.ts';
import { decideStanding, deviceTag, standingOrders } from './decide-standing.ts';

test('given each state and order, the device goes where the table says or is refused', () => {
  const table = standingOrders.map((order) =>
    enrolmentStates.map((state) => {
      const decided = decideStanding(state, order);
      return decided.ok ? decided.value : decided.error;
    }),
  );
  expect(table).toEqual([
    ['accepted', 'accepted', 'accepted', 'device-wrong-state'],
    ['rejected', 'device-wrong-state', 'rejected', 'device-wrong-state'],
    ['decommissioned', 'decommissioned', 'decommissioned', 'decommissioned'],
  ]);
});

test('given another key, state or tag, the tag of a device differs; given news from the device, it does not', () => {
  const tag = deviceTag(device('edge-1'));
  expect(deviceTag(device('edge-1', { keyDigest: 'cc'.repeat(32) }))).not.toBe(tag);
  expect(deviceTag(device('edge-1', { state: 'pending' }))).not.toBe(tag);
  expect(deviceTag(device('edge-1', { tags: {} }))).not.toBe(tag);
  expect(deviceTag(device('edge-1', { online: true, lastSeenMs: 7, reportedNumber: 3 }))).toBe(tag);
});
