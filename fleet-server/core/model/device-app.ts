import type { UpdatePhase } from '../../../shared/contracts/reported.ts';
import type {
  AppName,
  DeviceId,
  Digest,
  FleetId,
  RolloutId,
  TargetPath,
} from '../../../shared/core/ids.ts';

/** What a device is told to run for one app, and since when. */
export interface WantedEntry {
  readonly path: TargetPath;
  readonly digest: Digest;
  readonly rollout: RolloutId | null;
  readonly retry: number;
  readonly sinceMs: number;
}

export interface RefusedDigest {
  readonly digest: Digest;
  readonly retry: number;
  readonly reason: string;
}

/** The digest the newest decision of the device is about. */
export interface AppTarget {
  readonly path: TargetPath;
  readonly digest: Digest;
  readonly generation: number;
  readonly retry: number;
}

/** One app of one device: wanted by the server, and reported by the device. */
export interface DeviceApp {
  readonly fleet: FleetId;
  readonly device: DeviceId;
  readonly app: AppName;
  readonly desired: WantedEntry | null;
  /** Stored when an offer replaced it, so that an abort restores this device's own entry. */
  readonly previous: WantedEntry | null;
  readonly phase: UpdatePhase;
  readonly active: Digest | null;
  readonly lastGood: Digest | null;
  readonly target: AppTarget | null;
  readonly reason: string | null;
  readonly regressed: boolean;
  /** Server time of the first commit of any bundle of this app; null: not in wave 1 nor in the control. */
  readonly firstCommittedAtMs: number | null;
  readonly revertMs: number | null;
  readonly refused: readonly RefusedDigest[];
}

/** An app of which the device has said nothing yet. */
export function blankDeviceApp(
  { fleet, device }: { readonly fleet: FleetId; readonly device: DeviceId },
  app: AppName,
): DeviceApp {
  return {
    fleet,
    device,
    app,
    desired: null,
    previous: null,
    phase: 'idle',
    active: null,
    lastGood: null,
    target: null,
    reason: null,
    regressed: false,
    firstCommittedAtMs: null,
    revertMs: null,
    refused: [],
  };
}

/** The newest envelope signed for a device, served again byte for byte. */
export interface DesiredEnvelope {
  readonly fleet: FleetId;
  readonly device: DeviceId;
  readonly directorVersion: number;
  readonly generation: number;
  readonly envelope: Uint8Array;
  readonly signedAtMs: number;
}
