import type { AuditHead } from '../../../shared/contracts/desired.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { AuditRow } from '../model/audit-row.ts';
import { auditHash, auditHeadOf, firstPreviousHash } from './audit-chain.ts';

export interface AuditFault {
  readonly code: 'audit-cut' | 'audit-rewritten' | 'audit-forked';
  /** The first row that is not as it was written. */
  readonly number: number;
}

export interface AuditVerifier {
  /** Rows in the order they are stored. After a fault further rows change nothing. */
  add(row: AuditRow): void;
  finish(): Result<AuditHead | null, AuditFault>;
}

/**
 * Reads the whole chain once. Inside the chain every row proves the one before it; only a witness (a device, the
 * command line's memory) can prove the end, so a cut or a rewritten rest is found by the heads they return.
 */
export function startAuditVerifier(witnesses: readonly AuditHead[]): AuditVerifier {
  const seen = new Map<number, readonly string[]>();
  for (const { size, hash } of witnesses) seen.set(size, [...(seen.get(size) ?? []), hash]);
  let last: AuditRow | null = null;
  let fault: AuditFault | null = null;

  return {
    add(row) {
      fault ??= faultOf(row, last, seen.get(row.number) ?? []);
      last = row;
    },
    finish() {
      if (fault !== null) return err(fault);
      const size = last?.number ?? 0;
      const isLonger = witnesses.some((witness) => witness.size > size);
      return isLonger ? err({ code: 'audit-cut', number: size + 1 }) : ok(auditHeadOf(last));
    },
  };
}

function faultOf(
  row: AuditRow,
  last: AuditRow | null,
  witnessed: readonly string[],
): AuditFault | null {
  const number = (last?.number ?? 0) + 1;
  // A row that is missing is named by its own number, not by that of the row found in its place.
  if (row.number !== number) return { code: 'audit-rewritten', number };
  if (row.hash !== auditHash(row)) return { code: 'audit-rewritten', number };
  // The row itself is whole, so it is its predecessor that was replaced together with its hash.
  if (row.previousHash !== (last?.hash ?? firstPreviousHash)) {
    return { code: 'audit-rewritten', number: Math.max(1, number - 1) };
  }
  if (witnessed.some((hash) => hash !== row.hash)) return { code: 'audit-forked', number };
  return null;
}
