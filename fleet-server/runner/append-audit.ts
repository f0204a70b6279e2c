import { sealAuditRow } from '../core/audit/audit-chain.ts';
import type { AuditDraft, AuditRow } from '../core/model/audit-row.ts';
import type { StoreTx } from '../ports/store.ts';

/** Seals a row behind the last one. Call it before the effect, in the effect's own transaction. */
export async function appendAudit(tx: StoreTx, draft: AuditDraft): Promise<AuditRow> {
  const row = sealAuditRow(await tx.audit.last(), draft);
  await tx.audit.insert(row);
  return row;
}
