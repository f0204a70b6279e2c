import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AuditHead } from '../../../shared/contracts/desired.ts';
import type { FleetId } from '../../../shared/core/ids.ts';
import type { AuditDraft, AuditRow } from '../model/audit-row.ts';
import { auditHash, auditHeadOf, sealAuditRow } from './audit-chain.ts';
import { startAuditVerifier } from './audit-verifier.ts';

const draft: fc.Arbitrary<AuditDraft> = fc.record({
  fleet: fc.constantFrom(null, 'plant' as FleetId),
  atMs: fc.nat(),
  actor: fc.string({ maxLength: 8 }),
  action: fc.constantFrom('rollout-created', 'device-accepted'),
  subject: fc.string({ maxLength: 8 }),
  details: fc.dictionary(fc.string({ maxLength: 4 }), fc.oneof(fc.string(), fc.integer())),
});

function chainOf(drafts: readonly AuditDraft[]): AuditRow[] {
  const rows: AuditRow[] = [];
  for (const item of drafts) rows.push(sealAuditRow(rows.at(-1) ?? null, item));
  return rows;
}

function verify(rows: readonly AuditRow[], witnesses: readonly AuditHead[]) {
  const verifier = startAuditVerifier(witnesses);
  for (const row of rows) verifier.add(row);
  return verifier.finish();
}

const chainAndPlace = fc
  .array(draft, { minLength: 1, maxLength: 12 })
  .chain((drafts) =>
    fc.record({ rows: fc.constant(chainOf(drafts)), at: fc.nat({ max: drafts.length - 1 }) }),
  );

const headOf = (rows: readonly AuditRow[]): AuditHead => auditHeadOf(rows.at(-1) ?? null)!;

test('when nothing was touched, the head is what every earlier witness expects', () => {
  fc.assert(
    fc.property(chainAndPlace, ({ rows, at }) => {
      const witnesses = [headOf(rows.slice(0, at + 1)), headOf(rows)];
      expect(verify(rows, witnesses)).toEqual({ ok: true, value: headOf(rows) });
    }),
  );
  expect(verify([], [])).toEqual({ ok: true, value: null });
});

test('when any field of any row is changed, the verifier names that row', () => {
  const changes: ((row: AuditRow) => AuditRow)[] = [
    (row) => ({ ...row, atMs: row.atMs + 1 }),
    (row) => ({ ...row, actor: `${row.actor}x` }),
    (row) => ({ ...row, action: 'nothing' }),
    (row) => ({ ...row, subject: `${row.subject}x` }),
    (row) => ({ ...row, fleet: row.fleet === null ? ('plant' as FleetId) : null }),
    (row) => ({ ...row, details: { changed: true } }),
    (row) => ({ ...row, previousHash: 'f'.repeat(64) }),
    (row) => ({ ...row, hash: 'f'.repeat(64) }),
  ];
  fc.assert(
    fc.property(chainAndPlace, fc.constantFrom(...changes), ({ rows, at }, change) => {
      const changed = rows.map((row, index) => (index === at ? change(row) : row));
      const error = { code: 'audit-rewritten', number: at + 1 };
      expect(verify(changed, [headOf(rows)])).toEqual({ ok: false, error });
    }),
  );
});

test('when any row is removed, the verifier names it, the last one by a witness', () => {
  fc.assert(
    fc.property(chainAndPlace, ({ rows, at }) => {
      const without = rows.filter((_, index) => index !== at);
      const code = at === rows.length - 1 ? 'audit-cut' : 'audit-rewritten';
      const error = { code, number: at + 1 };
      expect(verify(without, [headOf(rows)])).toEqual({ ok: false, error });
    }),
  );
});

test('when a row is replaced together with its hash, the row after it or a witness gives it away', () => {
  fc.assert(
    fc.property(chainAndPlace, ({ rows, at }) => {
      const forged = rows.map((row, index) => {
        if (index !== at) return row;
        const other = { ...row, subject: `${row.subject}x` };
        return { ...other, hash: auditHash(other) };
      });
      const code = at === rows.length - 1 ? 'audit-forked' : 'audit-rewritten';
      expect(verify(forged, [headOf(rows)])).toEqual({
        ok: false,
        error: { code, number: at + 1 },
      });
    }),
  );
});

test('when the whole history is written anew, the first witness after the fork names its row', () => {
  fc.assert(
    fc.property(chainAndPlace, ({ rows, at }) => {
      const drafts = rows.map((row, i) => (i === at ? { ...row, actor: `${row.actor}x` } : row));
      const forked = chainOf(drafts);
      const witness = headOf(rows.slice(0, at + 1));
      const error = { code: 'audit-forked', number: at + 1 };
      expect(verify(forked, [witness])).toEqual({ ok: false, error });
    }),
  );
});
