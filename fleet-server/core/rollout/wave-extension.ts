import {
  type AssignableDevice,
  type Assignment,
  type AssignmentIndex,
  armOf,
  isVeteranOf,
  type StratumBoundaries,
} from './assignment.ts';
import { type Boundary, type Cell, cutOf, everybody, isBefore, nobody } from './cells.ts';
import { strataKey } from './plan-assignment.ts';

/**
 * Replaces unreached devices by the next in hash order: moves the wave's boundary behind the given devices, never
 * into the control. `next` are what `membersAfter` found. Later waves keep their boundaries, except where they would
 * fall behind.
 */
export function extendWave(
  index: AssignmentIndex,
  wave: number,
  next: readonly AssignableDevice[],
): Assignment {
  const { assignment } = index;
  const ends = new Map<string, Boundary>();
  for (const device of next) {
    const key = stratumKeyOf(index, device);
    const end = justAfter(index, device);
    const known = ends.get(key);
    if (known === undefined || isBefore(known, end)) ends.set(key, end);
  }
  const strata = assignment.strata.map((entry): StratumBoundaries => {
    const end = ends.get(strataKey(entry.stratum, entry.isVeteran));
    if (end === undefined) return entry;
    const capped = isBefore(entry.control, end) ? entry.control : end;
    const waves = entry.waves.map((boundary, k) =>
      k >= wave && isBefore(boundary, capped) ? capped : boundary,
    );
    return { ...entry, waves };
  });
  return { ...assignment, strata };
}

/**
 * Sorts candidates by hash order and keeps `count` of a later wave that may be in `wave` too: its replacements. Not
 * those who never committed the app, where wave 1 is concerned; nor a stratum that came after the freeze, which has no
 * boundary of its own that could move.
 */
export function membersAfter(
  index: AssignmentIndex,
  wave: number,
  candidates: readonly AssignableDevice[],
  count: number,
): readonly AssignableDevice[] {
  const { isFirstRelease } = index.assignment;
  const placed = candidates.flatMap((device) => {
    const arm = armOf(index, device);
    if (arm.arm !== 'wave' || arm.wave <= wave) return [];
    const isTooNew = wave === 0 && !isFirstRelease && !isVeteranOf(index.assignment, device);
    if (isTooNew || !index.strata.has(stratumKeyOf(index, device))) return [];
    return [{ device, at: justAfter(index, device) }];
  });
  placed.sort((a, b) => a.at.rank - b.at.rank || a.at.cut - b.at.cut);
  return placed.slice(0, count).map(({ device }) => device);
}

/** The cells that can hold members of the waves after `wave`, in hash order: where its replacements come from. */
export function cellsAfterWave(index: AssignmentIndex, wave: number): readonly Cell[] {
  const { strata } = index.assignment;
  const low = strata.reduce((least, { waves }) => {
    const start = waves[wave] ?? nobody;
    return isBefore(start, least) ? start : least;
  }, everybody);
  const high = strata.reduce((most, { waves }) => {
    const end = waves.at(-1) ?? nobody;
    return isBefore(most, end) ? end : most;
  }, nobody);
  return [...index.order.cells.slice(low.rank, high.cut > 0 ? high.rank + 1 : high.rank)];
}

function stratumKeyOf({ assignment }: AssignmentIndex, device: AssignableDevice): string {
  const isVeteran = assignment.isFirstRelease || isVeteranOf(assignment, device);
  return strataKey(device.stratum, isVeteran);
}

const justAfter = (index: AssignmentIndex, device: AssignableDevice): Boundary => ({
  rank: index.order.ranks[device.cell] ?? 0,
  cut: cutOf(index.secret, device.id) + 1,
});
