import type { CodeCount } from '../../../shared/contracts/cohort-totals.ts';
import type { DeviceId, FleetId, RolloutId } from '../../../shared/core/ids.ts';
import type { Offer, OfferCount, OpenPlace } from '../../core/model/rollout.ts';
import type { Exposure, ExposurePhase } from '../../core/rollout/step-exposure.ts';
import type { DigestWalk, FoundDigests } from './device-app-repository.ts';
import type { Page } from './page.ts';

export interface OfferQuery {
  readonly wave?: number;
  readonly phases?: readonly ExposurePhase[];
  readonly page: Page<DeviceId>;
}

export interface OfferReader {
  get(fleet: FleetId, rollout: RolloutId, device: DeviceId): Promise<Offer | null>;
  /** The parts of these devices in all rollouts, by device id and rollout. */
  listExposures(fleet: FleetId, devices: readonly DeviceId[]): Promise<readonly Exposure[]>;
  /** By device id. */
  listByPhase(fleet: FleetId, rollout: RolloutId, query: OfferQuery): Promise<readonly Exposure[]>;
  /** Those whose time is over, the longest overdue first. */
  listDue(fleet: FleetId, nowMs: number, limit: number): Promise<readonly Offer[]>;
  /** By wave, arm, phase; costs the number of waves, not of devices. */
  counts(fleet: FleetId, rollout: RolloutId): Promise<readonly OfferCount[]>;
  /** Why the failed ones failed, by code. */
  failureCodes(fleet: FleetId, rollout: RolloutId): Promise<CodeCount[]>;
  /** Which of these digests a device would go back to from a rollout: a page of a walk. */
  findPrevious(fleet: FleetId, rollout: RolloutId, walk: DigestWalk): Promise<FoundDigests>;
  /** Places of these devices in rollouts that are open, by device and rollout. */
  listPlaces(fleet: FleetId, devices: readonly DeviceId[]): Promise<readonly OpenPlace[]>;
}

export interface OfferRepository extends OfferReader {
  /** Writes the whole offer, new or not, and keeps the counts. */
  put(fleet: FleetId, offer: Offer): Promise<void>;
  /** The same for many, each of another device or rollout. */
  putMany(fleet: FleetId, offers: readonly Offer[]): Promise<void>;
}
