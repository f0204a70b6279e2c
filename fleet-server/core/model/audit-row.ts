import type { Json } from '../../../shared/core/canonical-json.ts';
import type { FleetId } from '../../../shared/core/ids.ts';

/** Who did what to what. Null fleet: it concerns the whole server. */
export interface AuditDraft {
  readonly fleet: FleetId | null;
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly details: Json;
}

/** A draft in its place in the chain: the hash covers everything else in the row, the previous hash too. */
export interface AuditRow extends AuditDraft {
  /** 1, 2, ... without gaps. */
  readonly number: number;
  readonly previousHash: string;
  readonly hash: string;
}
