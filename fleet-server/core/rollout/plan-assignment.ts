import { limits } from '../../../shared/contracts/limits.ts';
import type { RolloutSpec, Wave } from '../../../shared/contracts/rollout.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import { apportion } from './apportion.ts';
import { type Cell, type CellOrder, orderCells } from './cells.ts';

/** Members of one stratum in one cell: a row of the one grouped query that a freeze costs. */
export interface CellCount {
  /** `stratumOf` the device. */
  readonly stratum: string;
  /** Has committed a bundle of the app before. */
  readonly isVeteran: boolean;
  readonly cell: Cell;
  readonly devices: number;
}

/** One boundary still to be cut: `take` devices of the cell at `rank` belong to it. */
export interface PlannedBoundary {
  readonly rank: number;
  readonly take: number;
}

export interface PlannedStratum {
  readonly stratum: string;
  readonly isVeteran: boolean;
  readonly members: number;
  /** Cumulative, one per wave. */
  readonly waves: readonly PlannedBoundary[];
  /** From here on the stratum is held back. */
  readonly control: PlannedBoundary;
}

export interface AssignmentPlan {
  readonly strata: readonly PlannedStratum[];
  readonly members: number;
  readonly holdback: number;
  /** Cumulative devices per wave. */
  readonly waveSizes: readonly number[];
  /** No device has committed the app before: no control, absolute ceilings only. */
  readonly isFirstRelease: boolean;
  /** Cells whose device ids `cutAssignment` needs: at most one per boundary. */
  readonly cellsToCut: readonly Cell[];
}

export type PlanError = { readonly code: 'no-members' | 'too-many-strata' };

/**
 * Draws all boundaries of a rollout from the counts per cell. Devices that never committed the app are neither in
 * wave 1 nor in the control; each wave and the control hold every stratum in proportion (largest remainder).
 */
export function planAssignment(
  spec: RolloutSpec,
  secret: Uint8Array,
  counts: readonly CellCount[],
): Result<AssignmentPlan, PlanError> {
  const isFirstRelease = !counts.some((count) => count.isVeteran && count.devices > 0);
  const strata = stratify(counts, isFirstRelease);
  if (strata.length > 2 * limits.strataMax) return err({ code: 'too-many-strata' });
  const members = strata.reduce((sum, stratum) => sum + stratum.members, 0);
  if (members === 0) return err({ code: 'no-members' });

  const veterans = strata.map((stratum) => (stratum.isVeteran ? stratum.members : 0));
  const veteranTotal = veterans.reduce((sum, n) => sum + n, 0);
  const holdback = isFirstRelease ? 0 : holdbackOf(spec, members, veteranTotal);
  const held = apportion(holdback, veterans, veterans);
  const free = strata.map((stratum, i) => stratum.members - (held[i] ?? 0));
  const waveSizes: number[] = [];
  const taken = strata.map((): number[] => []);
  spec.waves.forEach((wave, k) => {
    const before = taken.map((cumulative) => cumulative.at(-1) ?? 0);
    const room = free.map((n, i) => (k === 0 && !strata[i]?.isVeteran ? 0 : n - (before[i] ?? 0)));
    const sizeBefore = before.reduce((sum, n) => sum + n, 0);
    const wanted = waveSizeOf(wave, spec, members - holdback);
    const ideal = free.map((n, i) =>
      Math.max(0, (n / Math.max(1, members - holdback)) * wanted - (before[i] ?? 0)),
    );
    const added = apportion(Math.max(0, wanted - sizeBefore), ideal, room);
    taken.forEach((cumulative, i) => cumulative.push((before[i] ?? 0) + (added[i] ?? 0)));
    waveSizes.push(sizeBefore + added.reduce((sum, n) => sum + n, 0));
  });
  const order = orderCells(secret);
  const planned = strata.map(
    (stratum, i): PlannedStratum => ({
      stratum: stratum.stratum,
      isVeteran: stratum.isVeteran,
      members: stratum.members,
      waves: (taken[i] ?? []).map((n) => boundaryAt(stratum, order, n)),
      control: boundaryAt(stratum, order, free[i] ?? 0),
    }),
  );
  const cellsToCut = cutCells(planned, order);
  return ok({ strata: planned, members, holdback, waveSizes, isFirstRelease, cellsToCut });
}

/**
 * Default: the larger of 5 % of the members and the minimum sample. Never more than half of the devices that may
 * be held back, because wave 1 needs devices of the same kind.
 */
export function holdbackOf(spec: RolloutSpec, members: number, veterans: number): number {
  const asked = spec.holdback;
  const wanted =
    asked === null
      ? Math.max(Math.ceil(members * 0.05), spec.gates.minimumSample.devices)
      : 'percent' in asked
        ? Math.ceil((members * asked.percent) / 100)
        : asked.count;
  return Math.min(wanted, Math.floor(veterans / 2));
}

/** A wave below the minimum sample could never be judged, so none is smaller. */
function waveSizeOf(wave: Wave, spec: RolloutSpec, free: number): number {
  // Rounded at the millionth before the ceiling: 0.07 * 100 must be 7 devices, not 8.
  const asked =
    'percent' in wave ? Math.ceil(Math.round(free * wave.percent * 1e4) / 1e6) : wave.count;
  return Math.min(free, Math.max(asked, spec.gates.minimumSample.devices));
}

interface Stratum {
  readonly stratum: string;
  readonly isVeteran: boolean;
  readonly members: number;
  readonly perCell: Uint32Array;
}

/** Sorted, so that the same counts in another order give the same plan. */
function stratify(counts: readonly CellCount[], isFirstRelease: boolean): Stratum[] {
  const byKey = new Map<string, { stratum: string; isVeteran: boolean; perCell: Uint32Array }>();
  for (const { stratum, isVeteran, cell, devices } of counts) {
    const counted = isVeteran || isFirstRelease;
    const key = strataKey(stratum, counted);
    const entry = byKey.get(key) ?? {
      stratum,
      isVeteran: counted,
      perCell: new Uint32Array(limits.cells),
    };
    entry.perCell[cell] = (entry.perCell[cell] ?? 0) + devices;
    byKey.set(key, entry);
  }
  return [...byKey.keys()].sort().flatMap((key) => {
    const entry = byKey.get(key);
    if (entry === undefined) return [];
    return [{ ...entry, members: entry.perCell.reduce((sum, n) => sum + n, 0) }];
  });
}

export const strataKey = (stratum: string, isVeteran: boolean): string =>
  `${isVeteran ? 'veteran' : 'newcomer'} ${stratum}`;

function boundaryAt(stratum: Stratum, order: CellOrder, devices: number): PlannedBoundary {
  let left = devices;
  if (left >= stratum.members) return { rank: limits.cells, take: 0 };
  for (let rank = 0; rank < limits.cells; rank += 1) {
    const inCell = stratum.perCell[order.cells[rank] ?? 0] ?? 0;
    if (left < inCell || (left === 0 && inCell > 0)) return { rank, take: left };
    left -= inCell;
  }
  return { rank: limits.cells, take: 0 };
}

function cutCells(strata: readonly PlannedStratum[], order: CellOrder): Cell[] {
  const ranks = new Set<number>();
  for (const { waves, control } of strata) {
    for (const { rank, take } of [...waves, control]) if (take > 0) ranks.add(rank);
  }
  return [...ranks].sort((a, b) => a - b).map((rank) => order.cells[rank] ?? 0);
}
