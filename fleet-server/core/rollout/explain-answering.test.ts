import { describe, expect, it } from 'vitest';
import { errorCodes } from '../../../shared/contracts/error-codes.ts';
import type { Explanation, Fact } from '../../../shared/contracts/explanation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import { explainAnswering } from './explain-answering.ts';

const active = `sha256:${'a'.repeat(64)}` as Digest;
const explanation: Explanation = {
  sentence: 'edge-0 is given two@1.0.0; nothing waits.',
  decision: 'keep',
  because: [],
};
type Reported = NonNullable<Parameters<typeof explainAnswering>[1]>;
const explained = (reported: Reported): string => explainAnswering(explanation, reported).sentence;

describe('explainAnswering', () => {
  it.each<[string, Reported, string]>([
    [
      'the default answer is given on old metadata',
      { phase: 'default-answer', reason: 'metadata-stale', active: null },
      `the default answer of its bundle is given (metadata-stale): ${errorCodes['metadata-stale'].sentence}`,
    ],
    [
      'no model runs because of a revocation',
      { phase: 'no-model', reason: 'revoked', active: null },
      `no model of it runs (revoked): ${errorCodes.revoked.sentence}`,
    ],
    [
      'an older bundle runs because the wanted one is stale',
      { phase: 'refused', reason: 'metadata-stale', active },
      'runs an older bundle instead (metadata-stale)',
    ],
    [
      'a trial waits for fresh metadata and nothing answers',
      { phase: 'probation', reason: 'metadata-stale', active: null },
      'no model of it runs (metadata-stale)',
    ],
    [
      'an agent gives a reason that this server does not know',
      { phase: 'no-model', reason: 'of-tomorrow', active: null },
      '(of-tomorrow).',
    ],
  ])('when %s, adds a sentence with the reason', (_title, reported, expected) => {
    const told = explainAnswering(explanation, reported);
    expect(told.sentence).toContain(`${explanation.sentence} `);
    expect(told.sentence).toContain(expected);
    expect(told.because).toEqual([
      { name: 'device-phase', value: reported.phase, limit: null, blocks: false },
      { name: 'device-reason', value: reported.reason, limit: null, blocks: false },
    ]);
  });

  it('when a model of it runs as wanted, or nothing was reported, changes nothing', () => {
    expect(explained({ phase: 'committed', reason: null, active })).toBe(explanation.sentence);
    expect(explainAnswering(explanation, undefined)).toBe(explanation);
  });

  it('when the decision has as many facts as one may have, keeps within the bound', () => {
    const fact: Fact = { name: 'wave', value: 1, limit: 1, blocks: false };
    const because = Array.from({ length: limits.becauseMax }, () => fact);
    const reported: Reported = { phase: 'no-model', reason: 'revoked', active: null };
    const told = explainAnswering({ ...explanation, because }, reported);
    expect(told.because).toHaveLength(limits.becauseMax);
    expect(told.because.at(-1)?.name).toBe('device-reason');
  });
});
