import { expect, test } from 'vitest';
import type { DeviceId, FleetId } from '../../../shared/core/ids.ts';
import { type Role, roles } from '../model/access.ts';
import { coversFleets, mayActAs, type PersonPrincipal, seesFleet } from './principal.ts';

const plant = 'plant' as FleetId;
const harbour = 'harbour' as FleetId;
const person = (role: Role, fleets: readonly FleetId[]): PersonPrincipal => ({
  kind: 'person',
  name: 'ada',
  role,
  fleets,
});

test('given the roles in order, each may do what the ones before it may and nothing more', () => {
  const table = roles.map((own) => roles.filter((role) => mayActAs(person(own, []), role)));
  expect(table).toEqual([
    ['viewer'],
    ['viewer', 'operator'],
    ['viewer', 'operator', 'approver'],
    ['viewer', 'operator', 'approver', 'admin'],
  ]);
});

test('given a list of fleets, only these are there; given none, all are', () => {
  expect(seesFleet(person('admin', [plant]), 'harbour')).toBe(false);
  expect(seesFleet(person('viewer', [plant]), 'plant')).toBe(true);
  expect(seesFleet(person('viewer', []), 'harbour')).toBe(true);
});

test('given a device, only its own fleet is there', () => {
  const device = {
    kind: 'device' as const,
    address: { fleet: plant, device: 'edge-1' as DeviceId },
  };
  expect(seesFleet(device, 'plant')).toBe(true);
  expect(seesFleet(device, 'harbour')).toBe(false);
});

test('given an admin of one fleet, a token for another or for all is more than they have', () => {
  const admin = person('admin', [plant]);
  expect(coversFleets(admin, [plant])).toBe(true);
  expect(coversFleets(admin, [plant, harbour])).toBe(false);
  expect(coversFleets(admin, [])).toBe(false);
  expect(coversFleets(person('admin', []), [])).toBe(true);
});
