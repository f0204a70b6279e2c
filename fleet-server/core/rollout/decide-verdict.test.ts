import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ArmTotals,
  type CohortTotals,
  emptyArm,
  noUpdates,
} from '../../../shared/contracts/cohort-totals.ts';
import type { Gates } from '../../../shared/contracts/rollout.ts';
import { createPrng } from '../../../shared/core/prng.ts';
import { latencyBinOf, latencyBins } from '../../../shared/stats/latency-bins.ts';
import { decideVerdict } from './decide-verdict.ts';
import { levelsOfLook } from './gate-outcome.ts';
import { defaultGates } from './spec.ts';

const settled = { number: 1, isWaveSettled: true };

function armOf(change: Partial<ArmTotals> & { readonly latencyMs?: number } = {}): ArmTotals {
  const { latencyMs = 1, ...counts } = change;
  const inferences = counts.inferences ?? 10_000;
  const latency = Array.from({ length: latencyBins }, () => 0);
  latency[latencyBinOf(latencyMs)] = inferences;
  return {
    ...emptyArm,
    devices: 50,
    inferences,
    latency,
    predicted: [inferences / 2, inferences / 2],
    labelled: inferences,
    correct: Math.round(inferences * 0.9),
    ...counts,
  };
}
const totalsOf = (change: Partial<CohortTotals> = {}): CohortTotals => ({
  updates: { ...noUpdates, committed: 50 },
  failures: [],
  wave: armOf(),
  control: armOf(),
  ...change,
});

describe('decideVerdict', () => {
  it('promotes a wave that behaves like the control', () => {
    const verdict = decideVerdict(defaultGates, totalsOf(), settled);
    expect(verdict.verdict).toBe('promote');
    expect(verdict.because.every((fact) => !fact.blocks)).toBe(true);
  });

  it.each([
    ['error-rate', { errors: [{ code: 'run-failed', count: 2000 }] }],
    ['latency', { latencyMs: 20 }],
    ['accuracy', { correct: 3000 }],
    ['class-shift', { predicted: [9900, 100] }],
  ])('aborts on %s far beyond its margin', (code, change) => {
    const verdict = decideVerdict(defaultGates, totalsOf({ wave: armOf(change) }), settled);
    expect(verdict.verdict).toBe('abort');
    expect(verdict.reasons[0]?.code).toBe(code);
  });

  it('aborts with the code of the devices when updates fail, and only when they fail too often', () => {
    const failing = (failed: number, committed: number): CohortTotals =>
      totalsOf({
        updates: { ...noUpdates, failed, committed },
        failures: [
          { code: 'other-reason', count: 1 },
          { code: 'digest-mismatch', count: failed - 1 },
        ],
      });
    const bad = decideVerdict(defaultGates, failing(6, 20), settled);
    expect(bad).toMatchObject({
      verdict: 'abort',
      reasons: [{ code: 'digest-mismatch', against: 'ceiling' }],
    });
    expect(decideVerdict(defaultGates, failing(3, 97), settled).verdict).toBe('promote');
  });

  it('does not abort on the first failure of two, but when all of a settled wave failed', () => {
    const wave = { ...emptyArm };
    const one = totalsOf({ updates: { ...noUpdates, failed: 1, committed: 1 }, wave });
    expect(decideVerdict(defaultGates, one, settled).verdict).toBe('hold');
    const all = totalsOf({ updates: { ...noUpdates, failed: 2 }, wave });
    const late = { number: 40, isWaveSettled: true };
    expect(decideVerdict(defaultGates, all, late)).toMatchObject({
      verdict: 'abort',
      reasons: [{ kind: 'nothing-committed' }],
    });
    expect(decideVerdict(defaultGates, all, { number: 40, isWaveSettled: false }).verdict).toBe(
      'hold',
    );
  });

  it('holds while the minimum sample of wave or control is missing, whatever the numbers say', () => {
    const bad = { correct: 0, predicted: [100, 0], errors: [{ code: 'run-failed', count: 100 }] };
    const wave = armOf({ ...bad, inferences: 100, labelled: 100 });
    const few = decideVerdict(defaultGates, totalsOf({ wave }), settled);
    expect(few.verdict).toBe('hold');
    expect(few.reasons[0]).toMatchObject({ code: 'sample-inferences' });
    expect(few.because[0]).toMatchObject({
      name: 'wave-sample-inferences',
      value: 100,
      limit: 200,
    });
    const alone = decideVerdict(
      defaultGates,
      totalsOf({ control: armOf({ devices: 1 }) }),
      settled,
    );
    expect(alone.reasons[0]).toMatchObject({ code: 'sample-devices' });
    expect(alone.because[0]).toMatchObject({ name: 'control-sample-devices', value: 1, limit: 2 });
  });

  it('compares with ceilings alone on a first release', () => {
    const gates: Gates = {
      ...defaultGates,
      accuracy: { dropMax: 0.05, floor: 0.8, labelledMin: 50 },
      latencyP95: { ratioMax: 1.5, ceilingMs: 10 },
    };
    const verdict = (change: Parameters<typeof armOf>[0]) =>
      decideVerdict(gates, totalsOf({ control: null, wave: armOf(change) }), settled);
    expect(verdict({}).verdict).toBe('promote');
    expect(verdict({ correct: 5000 }).reasons[0]).toMatchObject({
      gate: 'accuracy',
      against: 'ceiling',
    });
    expect(verdict({ latencyMs: 40 }).reasons[0]).toMatchObject({
      gate: 'latency',
      against: 'ceiling',
    });
    expect(verdict({ errors: [{ code: 'x', count: 5000 }] }).reasons[0]).toMatchObject({
      gate: 'error-rate',
      against: 'ceiling',
    });
  });

  it('lets a gate rest that is off or has no labels, and says so by its silence', () => {
    const off = {
      ...defaultGates,
      accuracy: null,
      errorRate: null,
      latencyP95: null,
      classShift: null,
    };
    const awful = totalsOf({ wave: armOf({ correct: 0, latencyMs: 900, predicted: [10_000, 0] }) });
    expect(decideVerdict(off, awful, settled).verdict).toBe('promote');
    const unlabelled = totalsOf({ wave: armOf({ labelled: 0, correct: 0 }) });
    const reason = decideVerdict(defaultGates, unlabelled, settled).reasons.find(
      (entry) => entry.kind === 'gate' && entry.gate === 'accuracy',
    );
    expect(reason).toMatchObject({ outcome: 'no-evidence' });
  });

  it('asks for more the stricter the promote rule is', () => {
    const wave = armOf({ correct: 8650, devices: 200 });
    const verdict = (promote: Gates['promote']) =>
      decideVerdict({ ...defaultGates, promote }, totalsOf({ wave }), settled).verdict;
    expect([verdict('unless-harm'), verdict('within-margin'), verdict('non-inferior')]).toEqual([
      'promote',
      'promote',
      'hold',
    ]);
  });

  it('never thinks better of a wave because more of its labelled answers are wrong', () => {
    const rank = { promote: 0, hold: 1, abort: 2 };
    const correct = fc.integer({ min: 0, max: 10_000 });
    fc.assert(
      fc.property(correct, correct, fc.integer({ min: 1, max: 50 }), (a, b, number) => {
        const verdict = (right: number) =>
          rank[
            decideVerdict(defaultGates, totalsOf({ wave: armOf({ correct: right }) }), {
              number,
              isWaveSettled: true,
            }).verdict
          ];
        expect(verdict(Math.min(a, b))).toBeGreaterThanOrEqual(verdict(Math.max(a, b)));
      }),
    );
  });
});

describe('levelsOfLook', () => {
  it('spends the false-abort share once over any number of looks', () => {
    let spent = 0;
    for (let look = 1; look <= 10_000; look += 1) spent += levelsOfLook(defaultGates, look).alpha;
    expect(spent).toBeLessThan(defaultGates.falseAbortShare);
    expect(spent).toBeGreaterThan(0.9999 * defaultGates.falseAbortShare);
  });

  it('aborts fewer than 2 % of good releases over 20 looks, and nearly all bad ones (2 000 seeded runs)', () => {
    const share = (failing: number): number => {
      const prng = createPrng(`looks ${failing}`);
      let aborted = 0;
      for (let run = 0; run < 2000; run += 1) {
        let failed = 0;
        for (let number = 1; number <= 20; number += 1) {
          for (let i = 0; i < 25; i += 1) failed += prng.nextUnit() < failing ? 1 : 0;
          const updates = { ...noUpdates, failed, committed: 25 * number - failed };
          const wave = emptyArm;
          const look = { number, isWaveSettled: false };
          if (decideVerdict(defaultGates, totalsOf({ updates, wave }), look).verdict !== 'abort')
            continue;
          aborted += 1;
          break;
        }
      }
      return aborted / 2000;
    };
    expect(share(0.02)).toBeLessThan(0.02);
    expect(share(0.15)).toBeGreaterThan(0.95);
  });
});
