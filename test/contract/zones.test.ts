import { expect, test } from 'vitest';
import { IntlZones } from '../../shared/adapters/zones/intl-zones.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { PinnedZones } from '../../sim/world/pinned-zones.ts';
import { zonesSuite } from './zones.suite.ts';

zonesSuite('Intl', () => new IntlZones());
zonesSuite('pinned table', () => new PinnedZones());

test('when the pinned table is compared with Intl every six hours of its years, they agree', () => {
  const intl = new IntlZones();
  const pinned = new PinnedZones();
  const differences: string[] = [];
  for (const name of pinned.names) {
    for (let atMs = Date.UTC(2020, 0, 1); atMs < Date.UTC(2041, 0, 1); atMs += 6 * 3_600_000) {
      const [real, table] = [intl.offsetMinutes(name, atMs), pinned.offsetMinutes(name, atMs)];
      if (real !== table) differences.push(`${name} at ${atMs}: ${real ?? '?'} ${table ?? '?'}`);
    }
  }
  expect(differences).toEqual([]);
});

test('when more zones are asked for than are kept, all are still answered', () => {
  const zones = new IntlZones();
  const names = Intl.supportedValuesOf('timeZone').slice(0, limits.zoneFormatsMax + 10);
  for (const name of names) expect(zones.offsetMinutes(name, 0), name).toBeTypeOf('number');
});

test('when an instant lies in the age of local mean time, seconds are cut', () => {
  expect(new IntlZones().offsetMinutes('Europe/Paris', Date.UTC(1880, 0, 1))).toBe(9);
});
