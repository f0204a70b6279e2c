import type { FleetId } from '../../../shared/core/ids.ts';

/** A fleet is the unit of rights: every query names one, and a foreign id does not exist. */
export interface Fleet {
  readonly fleet: FleetId;
  readonly title: string;
  readonly createdAtMs: number;
}
