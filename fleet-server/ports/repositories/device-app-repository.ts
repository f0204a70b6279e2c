import type { AppName, DeviceId, Digest, FleetId } from '../../../shared/core/ids.ts';
import type { DesiredEnvelope, DeviceApp } from '../../core/model/device-app.ts';

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
