import type { FleetId } from '../../../shared/core/ids.ts';
import type { Fleet } from '../../core/model/fleet.ts';

export interface FleetReader {
  get(fleet: FleetId): Promise<Fleet | null>;
  /** All of them, by name. */
  list(): Promise<readonly Fleet[]>;
}

export interface FleetRepository extends FleetReader {
  /** Throws `store-conflict` when the name is taken. */
  insert(fleet: Fleet): Promise<void>;
}
