import type { Json } from '../../../shared/core/canonical-json.ts';
import type { AppName, DeviceId, Digest, FleetId, RoundId } from '../../../shared/core/ids.ts';

/** One federated round; the reducer owns its state. */
export interface Round {
  readonly fleet: FleetId;
  readonly round: RoundId;
  readonly app: AppName;
  readonly status: string;
  readonly version: number;
  readonly reducerState: Json;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** One device's update to one round; the tensor lies in the BlobStore under its digest. */
export interface Contribution {
  readonly fleet: FleetId;
  readonly round: RoundId;
  readonly device: DeviceId;
  readonly digest: Digest;
  readonly samples: number;
  /** Counted, or the code why not. */
  readonly verdict: string;
  readonly receivedAtMs: number;
}
