import type { FleetId } from '../../../shared/core/ids.ts';
import type { AuditRow } from '../../core/model/audit-row.ts';
import type { AuditWitness, HeadKey, WitnessedHead } from '../../core/model/audit-witness.ts';
import type { FleetEvent, FleetEventDraft } from '../../core/model/fleet-event.ts';
import type { Page } from './page.ts';

export interface EventReader {
  /** By id, ascending. */
  list(fleet: FleetId, page: Page<number>): Promise<readonly FleetEvent[]>;
  /** Oldest and newest id kept; null when there is none. A stream that resumes below `oldest` has missed some. */
  range(fleet: FleetId): Promise<{ readonly oldest: number; readonly newest: number } | null>;
}

export interface EventRepository extends EventReader {
  append(fleet: FleetId, draft: FleetEventDraft): Promise<number>;
  /** Keeps the newest `keep` events of the fleet. Returns how many went. */
  removeOldest(fleet: FleetId, keep: number): Promise<number>;
}

/** The chain is one for the whole server: a fleet sees its own rows, the verifier reads all. */
export interface AuditReader {
  last(): Promise<AuditRow | null>;
  /** By number, ascending. */
  listAll(page: Page<number>): Promise<readonly AuditRow[]>;
  list(fleet: FleetId, page: Page<number>): Promise<readonly AuditRow[]>;
  /** Heads that devices returned, each once, by size and hash. */
  listWitnesses(page: Page<HeadKey>): Promise<readonly WitnessedHead[]>;
}

export interface AuditRepository extends AuditReader {
  /** Throws `store-conflict` when the number is taken: the chain has one writer. */
  insert(row: AuditRow): Promise<void>;
  /** Keeps it when it is larger than what the device returned before. */
  putWitness(witness: AuditWitness): Promise<void>;
}
