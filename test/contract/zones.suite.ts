import { describe, expect, test } from 'vitest';
import type { Zones } from '../../shared/ports/zones.ts';

/** Published rules: EU directive 2000/84/EC, US Energy Policy Act of 2005, and zones without summer time. */
export function zonesSuite(name: string, open: () => Zones): void {
  describe(`Zones: ${name}`, () => {
    test('when the clocks change, the offset changes at that very millisecond', () => {
      const zones = open();
      const springMs = Date.UTC(2027, 2, 28, 1);
      expect(zones.offsetMinutes('Europe/Berlin', springMs - 1)).toBe(60);
      expect(zones.offsetMinutes('Europe/Berlin', springMs)).toBe(120);
      const autumnMs = Date.UTC(2027, 9, 31, 1);
      expect(zones.offsetMinutes('Europe/Berlin', autumnMs - 1)).toBe(120);
      expect(zones.offsetMinutes('Europe/Berlin', autumnMs)).toBe(60);
      const marchMs = Date.UTC(2026, 2, 8, 7);
      expect(zones.offsetMinutes('America/New_York', marchMs - 1)).toBe(-300);
      expect(zones.offsetMinutes('America/New_York', marchMs)).toBe(-240);
    });

    test('when a zone is odd, its minutes are right', () => {
      const zones = open();
      const januaryMs = Date.UTC(2030, 0, 15);
      const julyMs = Date.UTC(2030, 6, 15);
      const offsets = (zone: string): unknown[] => [
        zones.offsetMinutes(zone, januaryMs),
        zones.offsetMinutes(zone, julyMs),
      ];
      expect(offsets('UTC')).toEqual([0, 0]);
      expect(offsets('Europe/London')).toEqual([0, 60]);
      expect(offsets('Asia/Kathmandu')).toEqual([345, 345]);
      expect(offsets('Australia/Lord_Howe')).toEqual([660, 630]);
      expect(offsets('Pacific/Kiritimati')).toEqual([840, 840]);
    });

    test('when a name is no zone, the answer is undefined', () => {
      const zones = open();
      const bad = ['', 'Mars/Olympus', '+05:30', '__proto__', 'constructor', 'a'.repeat(1000)];
      for (const zone of [...bad, 'Europe/Berlin ', 'Europe/Berlin\0']) {
        expect(zones.offsetMinutes(zone, 0), zone).toBeUndefined();
      }
    });
  });
}
