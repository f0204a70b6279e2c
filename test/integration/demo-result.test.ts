import { describe, expect, it } from 'vitest';
import { complaintsOf, type DemoResult, jsonOf } from '../../cli/demo/demo-result.ts';
import { complaintOf, type ResultRow } from '../../cli/demo/result-row.ts';

const row = (kind: ResultRow['kind'], more: Partial<ResultRow> = {}): ResultRow => ({
  bundle: 'filetype@2.0.0',
  kind,
  state: 'aborted',
  reason: 'accuracy',
  exposed: 2,
  activated: 2,
  reverted: 2,
  revertP99Ms: 300,
  seconds: 4,
  ...more,
});
const good = row('good', {
  state: 'completed',
  reason: null,
  exposed: 200,
  activated: 200,
  reverted: 0,
  revertP99Ms: null,
});
const refused = row('unsigned', {
  state: 'refused',
  exposed: 200,
  activated: 0,
  reverted: 0,
  revertP99Ms: null,
});
const neverRan = { activated: 0, reverted: 0, revertP99Ms: null };

describe('a row', () => {
  it.each([
    good,
    refused,
    row('wrong'),
    row('tampered', neverRan),
    row('golden', neverRan),
    row('crash', neverRan),
  ])('is as promised: $kind', (fine) => {
    expect(complaintOf(fine, 200)).toBeUndefined();
  });

  it.each([
    ['a good release that was aborted', { ...good, state: 'aborted' }],
    ['a good release that missed a device', { ...good, exposed: 199 }],
    ['a good release that was taken back somewhere', { ...good, reverted: 1 }],
    ['a bad release that goes on', row('slow', { state: 'running' })],
    ['an abort without a reason', row('wrong', { reason: null })],
    ['an abort that touched nobody', row('tampered', { ...neverRan, exposed: 0 })],
    ['a device that did not go back', row('wrong', { reverted: 1 })],
    ['tampered bytes that answered', row('tampered')],
    ['an unsigned program that was only aborted', { ...refused, state: 'aborted' }],
    ['a wrong model that never answered', row('wrong', neverRan)],
    ['a slow model that never answered', row('slow', neverRan)],
  ])('is complained about: %s', (_, bad) => {
    expect(complaintOf(bad, 200)).toEqual(expect.any(String));
  });
});

const accuracy = { n: 1, correct: 1, confidenceMean: 1, logLoss: 0 };
const whole: DemoResult = {
  devices: 200,
  daemons: 10,
  inferences: 1,
  accuracy: new Map([['v1', { ...accuracy, estimate: 0.91234, low: 0.9, high: 0.92 }]]),
  rows: [
    good,
    row('tampered', neverRan),
    refused,
    row('golden', neverRan),
    row('crash'),
    row('slow'),
    row('wrong'),
    { ...good, kind: 'federated' },
  ],
  federated: {
    ...{ invited: 78, contributed: 60, rejected: 0, state: 'completed' },
    candidate: 'filetype@2.7.0',
  },
  auditOk: true,
  confidence: { v2: 0.9, wrong: 0.9 },
};

describe('the result', () => {
  it('has no complaint when everything was played and was so', () => {
    expect(complaintsOf(whole)).toEqual([]);
  });

  it('says which scenes were not played', () => {
    const rows = whole.rows.filter(({ kind }) => kind !== 'crash' && kind !== 'federated');
    expect(complaintsOf({ ...whole, rows })).toEqual(['not played: crash, federated']);
  });

  it('complains about a round that did not complete', () => {
    const federated = { ...whole.federated, state: 'candidate-rejected' } as typeof whole.federated;
    expect(complaintsOf({ ...whole, federated }).length).toBe(1);
  });

  it('complains about a broken audit chain, a less sure wrong model and a play without daemons', () => {
    const poor = { ...whole, auditOk: false, daemons: 0, confidence: { v2: 0.9, wrong: 0.8 } };
    expect(complaintsOf(poor).length).toBe(3);
  });

  it('writes every row with all keys in order', () => {
    const written = jsonOf(whole);
    expect(written.accuracy).toEqual({ v1: [0.9123, 0.9, 0.92] });
    for (const line of written.rollouts) {
      expect(Object.keys(line)).toEqual(
        'bundle kind state reason exposed activated reverted revertP99Ms seconds'.split(' '),
      );
    }
  });
});
