import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReportedApp, UpdatePhase } from '../../../shared/contracts/reported.ts';
import type { AppName, Digest, TargetPath } from '../../../shared/core/ids.ts';
import { answerReport } from './answer-report.ts';

const app = 'sorter' as AppName;
const good = `sha256:${'a'.repeat(64)}` as Digest;
const foreign = `sha256:${'f'.repeat(64)}` as Digest;

const known = (issuedGeneration: number, needsReport = false) => ({
  directorVersion: 1,
  issued: { issuedGeneration, needsReport },
  wanted: new Map([[app, good]]),
});

const report = (generation: number, apps: readonly ReportedApp[] = [], directorVersion = 1) => ({
  seen: { directorVersion, generation },
  apps: [...apps],
});

const at = (phase: UpdatePhase, digest: Digest, generation: number): ReportedApp => ({
  app,
  phase,
  target: { path: 'bundles/sorter@1.0.0' as TargetPath, digest, generation, retry: 0 },
});

describe('answerReport', () => {
  it('when the device has seen what was issued, or less, changes nothing', () => {
    for (const seen of [0, 4, 5]) {
      const apps = [at('committed', good, seen)];
      expect(answerReport(known(5), report(seen, apps))).toEqual({
        issuedGeneration: 5,
        isForeign: false,
      });
    }
  });

  it('when the device has seen more than was issued, goes on above it and calls it foreign', () => {
    expect(answerReport(known(5), report(9))).toEqual({ issuedGeneration: 10, isForeign: true });
    expect(answerReport(known(0), report(1))).toEqual({ issuedGeneration: 2, isForeign: true });
  });

  it('after a restore, goes on above it and calls it expected', () => {
    const answer = answerReport(known(5, true), report(9));
    expect(answer).toEqual({ issuedGeneration: 10, isForeign: false });
  });

  it('when an order of the same number names another bundle, goes on above that too', () => {
    for (const phase of ['fetching', 'probation', 'committed'] as const) {
      const answer = answerReport(known(5), report(5, [at(phase, foreign, 5)]));
      expect(answer).toEqual({ issuedGeneration: 6, isForeign: true });
    }
    // What ended may be about an older order, whatever number it is reported under.
    const ended = answerReport(known(5), report(5, [at('reverted', foreign, 5)]));
    expect(ended.issuedGeneration).toBe(5);
    const older = answerReport(known(5), report(5, [at('committed', foreign, 4)]));
    expect(older.issuedGeneration).toBe(5);
  });

  it('under other director keys compares no numbers', () => {
    expect(answerReport(known(5), report(9, [], 2)).issuedGeneration).toBe(5);
    expect(answerReport(known(5), report(9, [], 0)).issuedGeneration).toBe(5);
  });

  it('never lowers the number and always stays above what is foreign, up to the last number', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.boolean(), (issued, seen, needsReport) => {
        const { issuedGeneration } = answerReport(known(issued, needsReport), report(seen));
        expect(issuedGeneration).toBeGreaterThanOrEqual(issued);
        expect(Number.isSafeInteger(issuedGeneration)).toBe(true);
        if (seen > issued && seen < Number.MAX_SAFE_INTEGER) {
          expect(issuedGeneration).toBe(seen + 1);
        }
      }),
    );
  });
});
