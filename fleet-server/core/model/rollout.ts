import type { RolloutRow } from '../../../shared/contracts/api/rollout.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import type { AppName, DeviceId, Digest, FleetId, RolloutId } from '../../../shared/core/ids.ts';
import type { Exposure, ExposurePhase } from '../rollout/step-exposure.ts';

export type RolloutStatus = RolloutRow['status'];

/** A rollout in which devices may still be told something. */
export const openStatuses: readonly RolloutStatus[] = ['running', 'paused', 'aborting'];

export interface Rollout {
  readonly fleet: FleetId;
  readonly rollout: RolloutId;
  readonly app: AppName;
  /** The offered bundle: an aborted digest is sticky. */
  readonly digest: Digest;
  readonly status: RolloutStatus;
  /** The wave that is open now; the holdback counts against it. */
  readonly wave: number;
  /** Rises with each write: the ETag. */
  readonly version: number;
  readonly spec: Json;
  /** The reducer's own state. */
  readonly reducerState: Json;
  readonly author: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type RolloutPatch = Partial<
  Pick<Rollout, 'status' | 'wave' | 'reducerState' | 'spec' | 'digest'>
>;

/** What happened to a rollout, with who, when, why and the numbers. */
export interface RolloutEvent {
  readonly fleet: FleetId;
  readonly rollout: RolloutId;
  /** 1, 2, ... within the rollout. */
  readonly number: number;
  readonly atMs: number;
  readonly actor: string;
  readonly kind: string;
  readonly reason: string | null;
  readonly numbers: Json;
}

export type RolloutEventDraft = Omit<RolloutEvent, 'fleet' | 'rollout' | 'number'>;

/** `control`: held back, compared with the waves, follows after the last one. */
export type Arm = 'wave' | 'control';

/** One device's part in one rollout as a row: the exposure, and what it is found by. */
export interface Offer {
  readonly cell: number;
  readonly arm: Arm;
  readonly exposure: Exposure;
}

/** Maintained with each write, so that a look at a rollout costs the number of waves, not of devices. */
export interface OfferCount {
  readonly wave: number;
  readonly arm: Arm;
  readonly phase: ExposurePhase;
  readonly count: number;
}

/** A device's place in an open rollout: what its telemetry is counted for. */
export interface OpenPlace {
  readonly device: DeviceId;
  readonly rollout: RolloutId;
  readonly app: AppName;
  /** What the rollout offers. */
  readonly digest: Digest;
  readonly arm: Arm;
  /** The device's own wave; for the control the wave that is open now, because it is compared with what happens now. */
  readonly wave: number;
}
