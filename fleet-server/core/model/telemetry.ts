import type { ArmTotals } from '../../../shared/contracts/cohort-totals.ts';
import type { DeviceId, FleetId, OutboxId, RolloutId } from '../../../shared/core/ids.ts';
import type { Arm } from './rollout.ts';

/** A sealed window as it lies in the store. */
export interface StoredWindow {
  readonly id: number;
  readonly device: DeviceId;
  readonly outbox: OutboxId;
  readonly first: number;
  readonly last: number;
  readonly receivedAtMs: number;
  /** The bytes the device sealed. */
  readonly sealed: Uint8Array;
}

/** How far one outbox is durable. Window numbers start at 1, so 0 means: nothing yet. */
export interface WindowMark {
  readonly device: DeviceId;
  readonly outbox: OutboxId;
  /** Everything up to here is durable. */
  readonly durable: number;
  /** Durable ranges above a gap, ascending, apart from each other; bounded. */
  readonly ahead: readonly (readonly [first: number, last: number])[];
  /** Row of the newest window of this outbox. */
  readonly latest: number;
}

/** Whose windows were added up: one arm of one wave of one rollout. */
export interface CohortKey {
  readonly rollout: RolloutId;
  readonly arm: Arm;
  readonly wave: number;
}

/** Sums over windows; every field is an integer, so the order of merging does not matter. */
export interface WindowTotals extends ArmTotals {
  readonly windows: number;
  readonly confidenceMicros: number;
}

/** A device counts in `devices` of the record it came to first, so that the sum over an arm's waves is exact. */
export interface CohortRecord extends CohortKey {
  readonly fleet: FleetId;
  readonly totals: WindowTotals;
}

/** A device that contributed to one arm of a rollout. */
export interface CohortDevice extends CohortKey {
  readonly device: DeviceId;
}
