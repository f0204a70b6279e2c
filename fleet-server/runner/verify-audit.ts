import type { AuditHead } from '../../shared/contracts/desired.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Result } from '../../shared/core/result.ts';
import { type AuditFault, startAuditVerifier } from '../core/audit/audit-verifier.ts';
import type { Store } from '../ports/store.ts';

/** Verifies the stored chain against the heads that witnesses kept, page by page in one committed state. */
export function verifyAudit(
  store: Store,
  witnesses: readonly AuditHead[],
): Promise<Result<AuditHead | null, AuditFault>> {
  return store.read(async (view) => {
    const verifier = startAuditVerifier(witnesses);
    let after = Number.MIN_SAFE_INTEGER;
    for (;;) {
      const rows = await view.audit.listAll({ after, limit: limits.storePageMax });
      for (const row of rows) verifier.add(row);
      const last = rows.at(-1);
      if (last === undefined) return verifier.finish();
      after = last.number;
    }
  });
}
