import type { AuditHead } from '../../shared/contracts/desired.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import { type AuditFault, startAuditVerifier } from '../core/audit/audit-verifier.ts';
import type { HeadKey, WitnessedHead } from '../core/model/audit-witness.ts';
import type { Store, StoreView } from '../ports/store.ts';

/** The chain is as it was written, as far as anybody outside has seen it. */
export interface AuditProof {
  readonly head: AuditHead | null;
  /** Devices whose heads it agrees with. */
  readonly devices: number;
}

/**
 * Verifies the stored chain against the heads that devices returned and those that somebody else `remembered`, page by
 * page in one committed state.
 */
export function verifyAudit(
  store: Store,
  remembered: readonly AuditHead[],
): Promise<Result<AuditProof, AuditFault>> {
  return store.read(async (view) => {
    const returned = await readWitnesses(view);
    const verifier = startAuditVerifier([...remembered, ...returned]);
    let after = Number.MIN_SAFE_INTEGER;
    for (;;) {
      const rows = await view.audit.listAll({ after, limit: limits.storePageMax });
      for (const row of rows) verifier.add(row);
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.number;
    }
    const verdict = verifier.finish();
    const devices = returned.reduce((sum, head) => sum + head.devices, 0);
    return verdict.ok ? ok({ head: verdict.value, devices }) : err(verdict.error);
  });
}

async function readWitnesses(view: StoreView): Promise<readonly WitnessedHead[]> {
  const heads: WitnessedHead[] = [];
  let after: HeadKey | undefined;
  for (;;) {
    const from = after === undefined ? {} : { after };
    const page = await view.audit.listWitnesses({ ...from, limit: limits.storePageMax });
    heads.push(...page);
    if (page.length < limits.storePageMax) return heads;
    after = page.at(-1);
  }
}
