import type { DeviceId, Digest, RolloutId } from '../../../shared/core/ids.ts';

/** Devices to which a rollout gave a bundle that they committed and took back later. One record per rollout. */
export interface Regression {
  readonly digest: Digest;
  readonly rollout: RolloutId;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly lastDevice: DeviceId;
  readonly lastCode: string;
}

/** One more of them. */
export interface RegressedDevice {
  readonly digest: Digest;
  readonly rollout: RolloutId;
  readonly device: DeviceId;
  readonly code: string;
  readonly atMs: number;
}
