import type { OfferCount } from '../../fleet-server/core/model/rollout.ts';
import { placeOf, type RolloutState } from '../../fleet-server/core/rollout/rollout-state.ts';
import type { ResultRow } from './result-row.ts';

/** Where a rollout stands, as the store says it. */
export interface RolloutSight {
  readonly bundle: string;
  readonly kind: ResultRow['kind'];
  readonly state: RolloutState;
  readonly counts: readonly OfferCount[];
  /** The server's own sentence, from the decision that acts; empty before the first look. */
  readonly why: string;
}

/** What the devices do, counted a few times a second. */
export interface FleetSight {
  readonly connected: number;
  readonly perSecond: number;
  readonly inferences: number;
  readonly correctShare: number;
  /** Devices by the bundle that answers there. */
  readonly running: ReadonlyMap<string, number>;
}

/** What a person watches while the play goes on. */
export interface LiveView {
  say(sentence: string): void;
  rollout(sight: RolloutSight): void;
  fleet(sight: FleetSight): void;
  row(row: ResultRow): void;
  /** Ends the live part; what was drawn stays. */
  close(): void;
}

export function whereOf({ bundle, kind, state, counts }: RolloutSight): string {
  const of = (phases: readonly string[]): number =>
    counts.reduce((sum, { phase, count }) => sum + (phases.includes(phase) ? count : 0), 0);
  const offered = of(['offered', 'acknowledged', 'committed', 'failed', 'restoring', 'restored']);
  const parts = [
    `${bundle} (${kind})`,
    placeOf(state),
    `offered ${offered}`,
    `committed ${of(['committed'])}`,
    `failed ${of(['failed'])}`,
    `restored ${of(['restored'])}`,
  ];
  return parts.join(' · ');
}

/** The newest transition and the numbers it rests on. */
export function whyOf({ state }: RolloutSight): string {
  const { code, because } = state.last;
  const numbers = because
    .filter(({ value }) => typeof value === 'number')
    .slice(0, 8)
    .map(({ name, value, limit }) => `${name} ${short(value)} (limit ${short(limit)})`);
  return [code, ...numbers].join(', ');
}

export function lineOfRow(row: ResultRow): string {
  const reason = row.reason === null ? '' : ` because ${row.reason}`;
  const back = row.revertP99Ms === null ? '' : `, back within ${row.revertP99Ms} ms`;
  const counts = `exposed ${row.exposed}, activated ${row.activated}, reverted ${row.reverted}`;
  return `${row.bundle} (${row.kind}): ${row.state}${reason}; ${counts}${back}; ${row.seconds} s`;
}

export const lineOfFleet = (sight: FleetSight): string => {
  const running = [...sight.running].map(([bundle, count]) => `${bundle} × ${count}`).join(', ');
  const right = (100 * sight.correctShare).toFixed(1);
  return `${sight.connected} devices, ${sight.perSecond} inferences/s, ${right} % right; ${running}`;
};

const short = (value: unknown): string =>
  typeof value === 'number' ? String(Math.round(value * 1000) / 1000) : String(value);
