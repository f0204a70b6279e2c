import type { DeviceId, FleetId, OutboxId, RolloutId } from '../../../shared/core/ids.ts';
import type {
  CohortDevice,
  CohortKey,
  CohortRecord,
  StoredWindow,
  WindowMark,
} from '../../core/model/telemetry.ts';

export type OutboxName = Pick<WindowMark, 'device' | 'outbox'>;

export interface WindowReader {
  /** Marks of the outboxes that have one. */
  marks(fleet: FleetId, outboxes: readonly OutboxName[]): Promise<readonly WindowMark[]>;
  /** The newest window of each outbox of a device, newest first. */
  latestOf(fleet: FleetId, device: DeviceId): Promise<readonly StoredWindow[]>;
  /** Id of the newest window of the store; 0 when there is none. */
  latestId(): Promise<number>;
}

export interface WindowRepository extends WindowReader {
  /** All in one statement. The ids rise above `latestId`; who is new was decided by the marks. */
  insertMany(fleet: FleetId, windows: readonly StoredWindow[]): Promise<void>;
  putMarks(fleet: FleetId, marks: readonly WindowMark[]): Promise<void>;
  /**
   * Removes windows received before an instant, oldest first. The marks stay, and so does the newest window of the
   * store, from which the ids go on. Returns how many went.
   */
  removeOlder(fleet: FleetId, beforeMs: number, limit: number): Promise<number>;
  /** Marks of an outbox are of no use once a newer outbox of the device has taken over. */
  removeMark(fleet: FleetId, device: DeviceId, outbox: OutboxId): Promise<boolean>;
}

export interface CohortTotalsReader {
  /** Those that exist, by rollout, arm and wave. */
  find(fleet: FleetId, keys: readonly CohortKey[]): Promise<readonly CohortRecord[]>;
  listOf(fleet: FleetId, rollout: RolloutId): Promise<readonly CohortRecord[]>;
}

export interface CohortTotalsRepository extends CohortTotalsReader {
  put(fleet: FleetId, records: readonly CohortRecord[]): Promise<void>;
  /** Remembers who contributed; returns those that had not before, by rollout, arm and device. */
  addDevices(fleet: FleetId, devices: readonly CohortDevice[]): Promise<readonly CohortDevice[]>;
}
