import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../../../shared/contracts/error-codes.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { decideGuard, type GuardLimits, noSlotFacts } from './decide-guard.ts';
import { RecentOutcomes } from './recent-outcomes.ts';

const guardLimits: GuardLimits = {
  errorShareMax: 0.1,
  latencyP95MsMax: 100,
  confidenceMin: 0.4,
  inferencesMin: 50,
  memoryBytesMax: 1000,
  killsMax: 0,
};

function recentOf(counts: {
  answers?: number;
  failures?: number;
  ms?: number;
  confidence?: number;
}) {
  const recent = new RecentOutcomes();
  for (let i = 0; i < (counts.answers ?? 0); i += 1) {
    recent.addAnswer(counts.ms ?? 5, counts.confidence ?? 0.9);
  }
  for (let i = 0; i < (counts.failures ?? 0); i += 1) recent.addFailure();
  return recent.facts();
}

describe('decideGuard', () => {
  it('when everything is within its limit, keeps, and shows what it compared', () => {
    const decision = decideGuard(guardLimits, recentOf({ answers: 60 }), {
      ...noSlotFacts,
      residentBytes: 900,
    });
    expect(decision.verdict).toBe('keep');
    expect(decision.facts.map(({ name, finding }) => [name, finding])).toEqual([
      ['hangs', 'within'],
      ['crashes', 'within'],
      ['memory-kills', 'within'],
      ['memory', 'within'],
      ['errors', 'within'],
      ['latency', 'within'],
      ['confidence', 'within'],
    ]);
  });

  it('when there are too few inferences to judge, waits instead of passing or failing', () => {
    const decision = decideGuard(guardLimits, recentOf({ answers: 49, confidence: 0.1, ms: 900 }));
    expect(decision.verdict).toBe('keep');
    expect(decision.facts.filter(({ finding }) => finding === 'waiting')).toHaveLength(3);
  });

  it('when too many fail, reverts with the share and the limit', () => {
    const decision = decideGuard(guardLimits, recentOf({ answers: 54, failures: 7 }));
    expect(decision).toMatchObject({
      verdict: 'revert',
      reason: 'error-share-exceeded',
      because: { name: 'errors', value: 7 / 61, limit: 0.1, n: 61 },
    });
  });

  it('when exactly the allowed share fails, keeps', () => {
    expect(decideGuard(guardLimits, recentOf({ answers: 90, failures: 10 })).verdict).toBe('keep');
  });

  it('when more have failed than the whole minimum sample allows, reverts before the sample is full', () => {
    expect(decideGuard(guardLimits, recentOf({ failures: 5 })).verdict).toBe('keep');
    expect(decideGuard(guardLimits, recentOf({ failures: 6 }))).toMatchObject({
      verdict: 'revert',
      because: { n: 6 },
    });
  });

  it('when p95 latency or mean confidence leave their limit, reverts for that', () => {
    expect(decideGuard(guardLimits, recentOf({ answers: 60, ms: 150 }))).toMatchObject({
      verdict: 'revert',
      reason: 'latency-exceeded',
      because: { limit: 100, n: 60 },
    });
    const collapsed = decideGuard(guardLimits, recentOf({ answers: 60, confidence: 0.3 }));
    expect(collapsed).toMatchObject({ verdict: 'revert', reason: 'confidence-collapsed' });
    expect(collapsed.verdict === 'revert' && collapsed.because.value).toBeCloseTo(0.3, 9);
  });

  it('when the process was killed more often than forgiven, names the kill before bad answers', () => {
    const bad = recentOf({ answers: 60, confidence: 0.1 });
    const reasonOf = (slot: Partial<typeof noSlotFacts>, killsMax = 0) => {
      const decision = decideGuard({ ...guardLimits, killsMax }, bad, { ...noSlotFacts, ...slot });
      return decision.verdict === 'revert' ? decision.reason : undefined;
    };
    expect(reasonOf({ hangs: 1 })).toBe('model-hung');
    expect(reasonOf({ crashes: 1 })).toBe('model-crashed');
    expect(reasonOf({ memoryKills: 1 })).toBe('memory-limit');
    expect(reasonOf({ residentBytes: 1001 })).toBe('memory-limit');
    expect(reasonOf({ hangs: 1 }, 1)).toBe('confidence-collapsed');
  });

  it('when a bundle asks for more inferences than the guard looks back on, still judges', () => {
    const greedy = { ...guardLimits, inferencesMin: 1_000_000 };
    const facts = recentOf({ answers: limits.guardRecentMax, confidence: 0.1 });
    expect(decideGuard(greedy, facts).verdict).toBe('revert');
  });

  it('for every reason it can give, the catalogue has a sentence', () => {
    const slots = [{ hangs: 1 }, { crashes: 1 }, { memoryKills: 1 }, { residentBytes: 2000 }];
    for (const slot of slots) {
      const decision = decideGuard(guardLimits, recentOf({}), { ...noSlotFacts, ...slot });
      expect(decision.verdict === 'revert' && errorCodes[decision.reason].sentence).toBeTruthy();
    }
  });
});

describe('RecentOutcomes', () => {
  it('whatever is added, its sums are those of the newest outcomes alone', () => {
    const outcome = fc.record({
      failed: fc.boolean(),
      ms: fc.double({ min: 0, max: 1000, noNaN: true }),
      confidence: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(
        fc.array(outcome, { maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        (all, size) => {
          const recent = new RecentOutcomes(size);
          const fresh = new RecentOutcomes(limits.guardRecentMax);
          const add = (to: RecentOutcomes, one: (typeof all)[number]): void => {
            if (one.failed) to.addFailure();
            else to.addAnswer(one.ms, one.confidence);
          };
          for (const one of all) add(recent, one);
          for (const one of all.slice(-size)) add(fresh, one);
          expect(recent.facts()).toEqual(fresh.facts());
        },
      ),
    );
  });

  it('when a model recovers, forgets the failures that left the window', () => {
    const recent = new RecentOutcomes(20);
    for (let i = 0; i < 20; i += 1) recent.addFailure();
    for (let i = 0; i < 20; i += 1) recent.addAnswer(1, 0.9);
    expect(recent.facts()).toMatchObject({ outcomes: 20, failures: 0 });
  });

  it('when cleared, knows nothing of the slot before', () => {
    const recent = new RecentOutcomes();
    recent.addAnswer(1, Number.NaN);
    recent.addFailure();
    recent.clear();
    expect(recent.facts()).toEqual(new RecentOutcomes().facts());
  });
});
