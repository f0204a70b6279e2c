import { describe, expect, test } from 'vitest';
import { hexOf } from '../../shared/core/bytes.ts';
import type { Random } from '../../shared/ports/random.ts';

/** What every Random promises. The bounds are six standard deviations: one false alarm in 500 million runs. */
export function randomSuite(name: string, open: () => Random): void {
  describe(`Random: ${name}`, () => {
    test('when bytes are drawn, there are exactly so many, and no two draws of 16 are equal', () => {
      const random = open();
      for (const length of [0, 1, 3, 32, 1000]) expect(random.bytes(length)).toHaveLength(length);
      const drawn = new Set(Array.from({ length: 1000 }, () => hexOf(random.bytes(16))));
      expect(drawn.size).toBe(1000);
    });

    test('when many bytes are drawn, each value is about as frequent as any other', () => {
      const counts = new Array<number>(256).fill(0);
      for (const byte of open().bytes(256_000)) counts[byte] = (counts[byte] ?? 0) + 1;
      for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(6 * Math.sqrt(1000));
    });

    test('when units are drawn, they lie in [0, 1) with the mean and spread of a uniform', () => {
      const random = open();
      const units = Array.from({ length: 20_000 }, () => random.unit());
      expect(Math.min(...units)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...units)).toBeLessThan(1);
      const mean = units.reduce((sum, unit) => sum + unit, 0) / units.length;
      const sigma = Math.sqrt(1 / 12 / units.length);
      expect(Math.abs(mean - 0.5)).toBeLessThan(6 * sigma);
      for (let tenth = 0; tenth < 10; tenth += 1) {
        const inside = units.filter((unit) => Math.floor(unit * 10) === tenth).length;
        expect(Math.abs(inside - 2000)).toBeLessThan(6 * Math.sqrt(2000 * 0.9));
      }
    });
  });
}
