import { limits } from '../../../shared/contracts/limits.ts';
import { bytesOfHex } from '../../../shared/core/bytes.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { TargetableDevice } from '../targeting/filter-ast.ts';
import {
  type Boundary,
  type Cell,
  type CellOrder,
  cutOf,
  everybody,
  isBefore,
  nobody,
  orderCells,
} from './cells.ts';
import { type AssignmentPlan, type PlannedBoundary, strataKey } from './plan-assignment.ts';

export interface StratumBoundaries {
  readonly stratum: string;
  readonly isVeteran: boolean;
  readonly waves: readonly Boundary[];
  readonly control: Boundary;
}

/**
 * Who is in which wave: a secret and a few boundaries per stratum, whatever the size of the fleet. JSON, stored
 * with the rollout. The secret is published when the rollout has ended.
 */
export interface Assignment {
  /** 32 bytes, hexadecimal; drawn by the runner after membership froze. */
  readonly secret: string;
  readonly frozenAtMs: number;
  readonly stratifyBy: readonly string[];
  readonly strata: readonly StratumBoundaries[];
  readonly members: number;
  readonly holdback: number;
  readonly waveSizes: readonly number[];
  readonly isFirstRelease: boolean;
}

/** An assignment with what is computed from it once, when a rollout is loaded. */
export interface AssignmentIndex {
  readonly assignment: Assignment;
  readonly secret: Uint8Array;
  readonly order: CellOrder;
  readonly strata: ReadonlyMap<string, StratumBoundaries>;
}

/** A device of one of the plan's `cellsToCut`. */
export interface CellMember {
  readonly device: DeviceId;
  readonly cell: Cell;
  readonly stratum: string;
  readonly isVeteran: boolean;
}

/** Completes the plan with the devices of the cells that boundaries cut. */
export function cutAssignment(
  plan: AssignmentPlan,
  drawn: {
    readonly secret: string;
    readonly frozenAtMs: number;
    readonly stratifyBy: readonly string[];
  },
  members: readonly CellMember[],
): Assignment {
  const secret = secretBytes(drawn.secret);
  const order = orderCells(secret);
  const cuts = new Map<string, number[]>();
  for (const member of members) {
    const isVeteran = member.isVeteran || plan.isFirstRelease;
    const key = `${order.ranks[member.cell] ?? 0} ${strataKey(member.stratum, isVeteran)}`;
    cuts.set(key, [...(cuts.get(key) ?? []), cutOf(secret, member.device)]);
  }
  for (const list of cuts.values()) list.sort((a, b) => a - b);
  const cutAt = (key: string, { rank, take }: PlannedBoundary): Boundary => {
    if (take === 0) return { rank, cut: 0 };
    const next = cuts.get(`${rank} ${key}`)?.[take];
    // Fewer devices than counted: some left in between, and the cell belongs to the boundary whole.
    return next === undefined ? { rank: rank + 1, cut: 0 } : { rank, cut: next };
  };
  const strata = plan.strata.map((planned): StratumBoundaries => {
    const key = strataKey(planned.stratum, planned.isVeteran);
    return {
      stratum: planned.stratum,
      isVeteran: planned.isVeteran,
      waves: planned.waves.map((boundary) => cutAt(key, boundary)),
      control: cutAt(key, planned.control),
    };
  });
  const { members: memberCount, holdback, waveSizes, isFirstRelease } = plan;
  return { ...drawn, strata, members: memberCount, holdback, waveSizes, isFirstRelease };
}

export function indexAssignment(assignment: Assignment): AssignmentIndex {
  const secret = secretBytes(assignment.secret);
  const strata = new Map(
    assignment.strata.map((entry) => [strataKey(entry.stratum, entry.isVeteran), entry]),
  );
  return { assignment, secret, order: orderCells(secret), strata };
}

/** What the assignment needs to know of a device. */
export interface AssignableDevice {
  readonly id: DeviceId;
  readonly cell: Cell;
  readonly stratum: string;
  /** First commit of any bundle of the app, server time; null when there was none. */
  readonly firstCommittedAtMs: number | null;
}

/** `follow`: with the holdback, after the last wave. */
export type Arm =
  | { readonly arm: 'wave'; readonly wave: number }
  | { readonly arm: 'control' }
  | { readonly arm: 'follow' };

/** The arm of a member. Costs two map look-ups; one hash more in a cell that a boundary cuts. */
export function armOf(index: AssignmentIndex, device: AssignableDevice): Arm {
  const { isFirstRelease } = index.assignment;
  const isVeteran = isFirstRelease || isVeteranOf(index.assignment, device);
  const boundaries = index.strata.get(strataKey(device.stratum, isVeteran));
  const rank = index.order.ranks[device.cell] ?? 0;
  let cut: number | undefined;
  const isInside = (boundary: Boundary): boolean => {
    if (rank !== boundary.rank) return rank < boundary.rank;
    if (boundary.cut === 0) return false;
    cut ??= cutOf(index.secret, device.id);
    return cut < boundary.cut;
  };
  const { waves, control } = boundaries ?? lateBoundaries(index, isVeteran);
  const wave = waves.findIndex(isInside);
  if (wave >= 0) return { arm: 'wave', wave };
  return isVeteran && !isFirstRelease && !isInside(control)
    ? { arm: 'control' }
    : { arm: 'follow' };
}

/** Committed the app before membership froze. Fixed at that instant, so nobody changes arms by committing. */
export const isVeteranOf = (assignment: Assignment, device: AssignableDevice): boolean =>
  device.firstCommittedAtMs !== null && device.firstCommittedAtMs < assignment.frozenAtMs;

/** A stratum that appeared after the freeze is cut at the same shares as the whole; newcomers skip wave 1. */
function lateBoundaries(
  { assignment }: AssignmentIndex,
  isVeteran: boolean,
): { readonly waves: readonly Boundary[]; readonly control: Boundary } {
  const at = (devices: number): Boundary => {
    const rank = Math.floor((devices / Math.max(1, assignment.members)) * limits.cells);
    return rank >= limits.cells ? everybody : { rank, cut: 0 };
  };
  const waves = assignment.waveSizes.map((size, k) => (k === 0 && !isVeteran ? nobody : at(size)));
  return { waves, control: at(assignment.members - assignment.holdback) };
}

/**
 * The cells that can hold members of `wave` (all later ones: `follow`), in hash order: an indexed predicate. It
 * is a little too wide where strata differ; `armOf` decides each device.
 */
export function cellsOfWave(index: AssignmentIndex, wave: number | 'follow'): readonly Cell[] {
  if (wave === 'follow') return [...index.order.cells];
  const late = [lateBoundaries(index, true), lateBoundaries(index, false)];
  const all = [...index.assignment.strata, ...late];
  const low = all.reduce((least, { waves }) => {
    const start = wave === 0 ? nobody : (waves[wave - 1] ?? nobody);
    return isBefore(start, least) ? start : least;
  }, everybody);
  const high = all.reduce((most, { waves }) => {
    const end = waves[wave] ?? nobody;
    return isBefore(most, end) ? end : most;
  }, nobody);
  return [...index.order.cells.slice(low.rank, high.cut > 0 ? high.rank + 1 : high.rank)];
}

/** The stratum of a device: its values of the named tags and facts as canonical text. */
export function stratumOf(stratifyBy: readonly string[], device: TargetableDevice): string {
  const values = stratifyBy.map((path) => {
    const name = path.slice(path.indexOf('.') + 1);
    return (path.startsWith('tags.') ? device.tags.get(name) : device.facts.get(name)) ?? null;
  });
  return JSON.stringify(values);
}

function secretBytes(secret: string): Uint8Array {
  const bytes = bytesOfHex(secret);
  invariant(bytes?.length === 32, 'a rollout secret is 32 bytes');
  return bytes;
}
