import type { AuditHead } from '../../../shared/contracts/desired.ts';
import type { DeviceId, FleetId } from '../../../shared/core/ids.ts';

/** The largest head that a device has returned, and the text in which the audit key once signed it. */
export interface AuditWitness extends AuditHead {
  readonly fleet: FleetId;
  readonly device: DeviceId;
  readonly signedHead: string;
}

/** One head, by all devices that returned it as their largest: `device` of `fleet` is the first of them by name. */
export interface WitnessedHead extends AuditWitness {
  readonly devices: number;
}

/** Two histories of one size are two heads. */
export type HeadKey = Pick<AuditHead, 'size' | 'hash'>;
