import type { AuditHead } from '../../../shared/contracts/desired.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';
import type { AuditDraft, AuditRow } from '../model/audit-row.ts';

/** Hash before the first row: 32 zero bytes. */
export const firstPreviousHash = '0'.repeat(64);

/** Puts a draft behind the last row (null: it is the first). */
export function sealAuditRow(last: AuditRow | null, draft: AuditDraft): AuditRow {
  const unsealed = {
    ...draft,
    number: (last?.number ?? 0) + 1,
    previousHash: last?.hash ?? firstPreviousHash,
  };
  return { ...unsealed, hash: auditHash(unsealed) };
}

/** SHA-256 over the canonical JSON of everything in the row but the hash itself. */
export function auditHash(row: Omit<AuditRow, 'hash'>): string {
  const { number, previousHash, fleet, atMs, actor, action, subject, details } = row;
  const covered = { number, previousHash, fleet, atMs, actor, action, subject, details };
  return sha256Hex(utf8(canonicalJson(covered)));
}

/** What a witness keeps: as much of the chain as it has seen, in one hash. Null while the chain is empty. */
export function auditHeadOf(last: AuditRow | null): AuditHead | null {
  return last === null ? null : { size: last.number, hash: last.hash, atMs: last.atMs };
}
