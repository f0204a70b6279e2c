import type { AppName, DeviceId, Digest, FleetId } from '../../../shared/core/ids.ts';
import type { DesiredEnvelope, DeviceApp } from '../../core/model/device-app.ts';
import type { Page } from './page.ts';

/** A walk through the rows of a fleet in the order of its devices: no index is kept for what is asked once a day. */
export interface DigestWalk {
  readonly digests: readonly Digest[];
  /** Rows, not devices; all rows of the last device belong to the page. */
  readonly page: Page<DeviceId>;
}

export interface FoundDigests {
  /** Those of the asked ones that stand in the page, ascending. */
  readonly digests: readonly Digest[];
  /** The page's last device; null where the walk has come to its end. */
  readonly last: DeviceId | null;
}

export interface DeviceAppReader {
  get(fleet: FleetId, device: DeviceId, app: AppName): Promise<DeviceApp | null>;
  /** The apps of these devices, by device id and name. */
  listOf(fleet: FleetId, devices: readonly DeviceId[]): Promise<readonly DeviceApp[]>;
  /** The same app on many devices, by device id; devices without it are left out. */
  listFor(
    fleet: FleetId,
    app: AppName,
    devices: readonly DeviceId[],
  ): Promise<readonly DeviceApp[]>;
  /** Devices by the digest that answers there, most first. */
  countByActive(
    fleet: FleetId,
    app: AppName,
  ): Promise<readonly { readonly digest: Digest; readonly count: number }[]>;
  /** Which of these digests a device that may come back runs, keeps, is told or was told to run: a page of a walk. */
  findNeeded(fleet: FleetId, query: DigestWalk): Promise<FoundDigests>;
  /** Whether any device of the fleet ever committed a bundle of the app. */
  isKnownGood(fleet: FleetId, app: AppName): Promise<boolean>;
}

export interface DeviceAppRepository extends DeviceAppReader {
  /** Writes the whole record, new or not. */
  put(record: DeviceApp): Promise<void>;
  /** The same for many, each of another device or app. */
  putMany(records: readonly DeviceApp[]): Promise<void>;
}

export interface DesiredEnvelopeReader {
  get(fleet: FleetId, device: DeviceId): Promise<DesiredEnvelope | null>;
  /** By device id; devices without one are left out. */
  listFor(fleet: FleetId, devices: readonly DeviceId[]): Promise<readonly DesiredEnvelope[]>;
}

export interface DesiredEnvelopeRepository extends DesiredEnvelopeReader {
  /**
   * Writes each whose (directorVersion, generation) is above what is stored for its device, and answers the devices of
   * these, in no order. Each is of another device.
   */
  putNewer(envelopes: readonly DesiredEnvelope[]): Promise<readonly DeviceId[]>;
}
