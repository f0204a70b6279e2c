import type { DeviceId, FleetId, RoundId } from '../../../shared/core/ids.ts';
import type { Contribution, Round } from '../../core/model/round.ts';
import type { Page } from './page.ts';

export interface RoundReader {
  get(fleet: FleetId, round: RoundId): Promise<Round | null>;
  /** Newest first. */
  list(fleet: FleetId, page: Page<Pick<Round, 'createdAtMs' | 'round'>>): Promise<readonly Round[]>;
  /** Those of these statuses, newest first. */
  listIn(fleet: FleetId, statuses: readonly string[], limit: number): Promise<readonly Round[]>;
  /** In no order; a status that no round has is left out. */
  countByStatus(
    fleet: FleetId,
  ): Promise<readonly { readonly status: string; readonly count: number }[]>;
  getContribution(fleet: FleetId, round: RoundId, device: DeviceId): Promise<Contribution | null>;
  /** By device id: sums run in this order. */
  listContributions(
    fleet: FleetId,
    round: RoundId,
    page: Page<DeviceId>,
  ): Promise<readonly Contribution[]>;
}

export interface RoundWrite {
  readonly expectedVersion: number;
  readonly patch: Partial<Pick<Round, 'status' | 'reducerState'>>;
  readonly nowMs: number;
}

export interface RoundRepository extends RoundReader {
  insert(round: Round): Promise<void>;
  /** Raises the version by one. False, and nothing written, when the expected version is not there. */
  update(fleet: FleetId, round: RoundId, write: RoundWrite): Promise<boolean>;
  /** False when the device has contributed already: one device, one update. */
  insertContribution(contribution: Contribution): Promise<boolean>;
}
