import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyArm, noUpdates, type UpdateCounts } from '../../../shared/contracts/cohort-totals.ts';
import type { RolloutRequest } from '../../../shared/contracts/rollout.ts';
import {
  fleet,
  quietContext,
  rolloutId,
  specOf,
  startMs,
} from '../../../test/support/rollout-samples.ts';
import type { Assignment } from './assignment.ts';
import { decideProgress } from './decide-progress.ts';
import { explainRollout } from './explain-rollout.ts';
import { factClauses } from './fact-sentence.ts';
import {
  type Actor,
  placeOf,
  type RolloutContext,
  type RolloutEvent,
  type RolloutState,
} from './rollout-state.ts';
import { bindingOf, defaultGates } from './spec.ts';
import { createRollout, stepRollout } from './step-rollout.ts';

const ann: Actor = { kind: 'person', name: 'ann' };
const bob: Actor = { kind: 'person', name: 'bob' };
const assignment: Assignment = {
  secret: '0'.repeat(64),
  frozenAtMs: startMs,
  stratifyBy: [],
  strata: [],
  members: 100,
  holdback: 5,
  waveSizes: [10, 95],
  isFirstRelease: false,
};
const draftOf = (change: Partial<RolloutRequest> = {}): RolloutState =>
  createRollout({
    id: rolloutId(1),
    fleet,
    spec: specOf(2, { waves: [{ percent: 10 }, { percent: 100 }], ...change }),
    author: 'ann',
    nowMs: startMs,
  });

function step(state: RolloutState, event: RolloutEvent, context = quietContext) {
  const result = stepRollout(state, event, context);
  if (!result.ok) throw new Error(result.error.code);
  return result.value;
}
const refusalOf = (state: RolloutState, event: RolloutEvent, context = quietContext) => {
  const result = stepRollout(state, event, context);
  return result.ok ? undefined : result.error.code;
};
const submit: RolloutEvent = { type: 'submitted', by: ann, order: 1 };
const started = (change: Partial<RolloutRequest> = {}): RolloutState =>
  step(step(draftOf(change), submit).state, { type: 'membership-frozen', assignment }).state;

/** A context in which the wave's devices stand so, everything else is well. */
function contextOf(
  updates: Partial<UpdateCounts>,
  change: Partial<RolloutContext> = {},
): RolloutContext {
  const counts = { ...noUpdates, ...updates };
  const good = { ...emptyArm, devices: 50, inferences: 10_000 };
  return {
    ...quietContext,
    waveUpdates: counts,
    totals: { updates: counts, failures: [], wave: good, control: good },
    ...change,
  };
}
const look: RolloutEvent = { type: 'looked' };
const gatesOff = { accuracy: null, latencyP95: null, classShift: null } as const;

describe('stepRollout', () => {
  it('goes through a wave on evidence: offering, soaking, judging, next wave, follow, completed', () => {
    let state = started({ gates: gatesOff });
    const places: string[] = [placeOf(state)];
    const see = (context: RolloutContext) => {
      const { state: next, effects } = step(state, look, context);
      if (effects[0]?.type === 'record-transition') places.push(placeOf(next));
      state = next;
    };
    see(contextOf({}, { offerable: 10 }));
    see(contextOf({ offered: 10 }));
    see(contextOf({ acknowledged: 4, committed: 6 }));
    see(contextOf({ committed: 10 }));
    see(contextOf({ committed: 10 }, { nowMs: startMs + 2_999 }));
    see(contextOf({ committed: 10 }, { nowMs: startMs + 3_000 }));
    see(contextOf({ committed: 10 }, { nowMs: startMs + 3_000 }));
    see(contextOf({ committed: 95 }, { nowMs: startMs + 4_000 }));
    see(contextOf({ committed: 95 }, { nowMs: startMs + 7_000 }));
    see(contextOf({ committed: 95 }, { nowMs: startMs + 7_000 }));
    see(contextOf({ committed: 95 }, { nowMs: startMs + 8_000, offerable: 5 }));
    see(contextOf({ committed: 100 }, { nowMs: startMs + 9_000 }));
    expect(places).toEqual([
      'running wave 1 offering',
      'running wave 1 soaking',
      'running wave 1 judging',
      'running wave 2 offering',
      'running wave 2 soaking',
      'running wave 2 judging',
      'running follow offering',
      'completed',
    ]);
  });

  it('records who, when, why and the numbers with each transition', () => {
    const { effects } = step(started(), { type: 'aborted', by: bob, why: 'smoke' });
    expect(effects[0]).toEqual({
      type: 'record-transition',
      transition: {
        from: 'running wave 1 offering',
        to: 'aborting',
        by: bob,
        atMs: startMs,
        code: 'person-decided',
        why: 'smoke',
        because: [],
      },
    });
    const gates = { ...defaultGates, ...gatesOff };
    const soaked = step(started({ gates }), look, contextOf({ committed: 10 }));
    expect(soaked.state.last.because).toContainEqual({
      name: 'devices-updating',
      value: 0,
      limit: 0,
      blocks: false,
    });
  });

  it('never leaves offering on silence', () => {
    const state = started();
    const silent = contextOf({ unreached: 10 }, { nowMs: startMs + 1e12 });
    const answer = { type: 'wave-extended' as const, wave: 0, assignment, added: 0, asked: 10 };
    const exhausted = step(state, answer, silent).state;
    expect(exhausted.last.code).toBe('no-replacement-left');
    expect(placeOf(step(exhausted, look, silent).state)).toBe('running wave 1 offering');
    expect(explainRollout(exhausted, decideProgress(exhausted as never, silent)).sentence).toBe(
      `${state.id} is running wave 1 offering and waits: no device was reached, and silence proves nothing (10 devices were not reached, none taken instead).`,
    );
  });

  it('replaces unreached devices once each, until no member is left', () => {
    const state = started();
    const context = contextOf({ unreached: 3, committed: 7 });
    const asked = step(state, look, context);
    expect(asked.effects).toContainEqual({ type: 'extend-wave', wave: 0, by: 3 });
    const answer = { type: 'wave-extended' as const, wave: 0, assignment, added: 2, asked: 3 };
    const extended = step(state, answer, context);
    expect(extended.effects).toMatchObject([
      {
        transition: {
          to: 'running wave 1 offering',
          code: 'devices-replaced',
          because: [{ name: 'unreached-devices', value: 3, limit: 2 }],
        },
      },
      { type: 'offer-wave' },
    ]);
    expect(placeOf(step(extended.state, look, context).state)).toBe('running wave 1 soaking');
  });

  it('counts no answer twice: a replacement that comes again, or for another wave, is nothing', () => {
    const context = contextOf({ unreached: 3, committed: 7 });
    const answer = { type: 'wave-extended' as const, wave: 0, assignment, added: 3, asked: 3 };
    const { state } = step(started(), answer, context);
    expect(state).toMatchObject({ replaced: { devices: 3, isExhausted: false } });
    expect(step(state, answer, context).state).toBe(state);
    const other = started();
    expect(step(other, { ...answer, wave: 1 }, context).state).toBe(other);
  });

  it('aborts on failed updates before the wave is complete, and stays aborted', () => {
    const failures = [{ code: 'self-test-failed', count: 8 }];
    const bad = contextOf({ failed: 8, acknowledged: 2 });
    const context = { ...bad, totals: { ...bad.totals, failures } };
    const aborting = step(started(), look, context);
    expect(aborting.state).toMatchObject({ kind: 'aborting', code: 'self-test-failed' });
    expect(aborting.effects.map((effect) => effect.type)).toEqual([
      'record-transition',
      'stop-digest',
      'restore-devices',
    ]);
    const half = contextOf({ restoring: 4, restored: 6 });
    expect(step(aborting.state, look, half).state.kind).toBe('aborting');
    const untold = contextOf({ failed: 1, restored: 9 });
    expect(step(aborting.state, look, untold).state.kind).toBe('aborting');
    const { state } = step(aborting.state, look, contextOf({ unrestored: 1, restored: 9 }));
    expect(state).toMatchObject({ kind: 'aborted', code: 'self-test-failed' });
    for (const event of [
      { type: 'resumed', by: bob, why: '' },
      { type: 'promoted', by: bob, why: '' },
      { type: 'retried', by: bob, why: '' },
      { type: 'submitted', by: bob, order: 2 },
    ] as const) {
      expect(refusalOf(state, event)).toBe('rollout-wrong-state');
    }
  });

  it('when all devices of a wave failed, aborts although the look that saw them last is spent', () => {
    const failed = (offerable: number): RolloutContext =>
      contextOf(
        { failed: 2 },
        { offerable, totals: { ...quietContext.totals, updates: { ...noUpdates, failed: 2 } } },
      );
    // A look late in the life of a rollout proves nothing by statistics any more; it is counted all the same.
    const first = started({ gates: { ...gatesOff, falseAbortShare: 0.0001 } });
    const looked = step(first, look, failed(1)).state;
    expect(placeOf(looked)).toBe('running wave 1 offering');
    expect(step(looked, look, failed(0)).state.kind).toBe('aborting');
  });

  it('takes no second look at evidence that has not grown, however often it is asked', () => {
    const state = { ...started(), looks: { count: 1, outcomes: 8, inferences: 10_000 } };
    const same = contextOf({ failed: 8, acknowledged: 2 });
    expect(step(state as RolloutState, look, same).state).toMatchObject({
      kind: 'running',
      looks: { count: 1 },
    });
    const grown = contextOf({ failed: 10 });
    expect(step(state as RolloutState, look, grown).state.kind).toBe('aborting');
  });

  it('aborts proven harm while paused too, and leaves the pause out of the soak', () => {
    const paused = step(started(), { type: 'paused', by: bob, why: 'lunch' });
    expect(paused.effects.map((effect) => effect.type)).toEqual(['record-transition']);
    expect(step(paused.state, look, contextOf({ failed: 8 })).state.kind).toBe('aborting');
    const soaking = step(started(), look, contextOf({ committed: 10 })).state;
    const stopped = step(soaking, { type: 'paused', by: bob, why: '' }).state;
    const resumed = step(
      stopped,
      { type: 'resumed', by: bob, why: '' },
      {
        ...quietContext,
        nowMs: startMs + 60_000,
      },
    );
    expect(resumed.state).toMatchObject({ stage: { kind: 'soaking', untilMs: startMs + 63_000 } });
  });

  it('holds for a person where the numbers look bad and prove nothing, who may promote', () => {
    const doubtful = contextOf({ failed: 1, committed: 1 });
    let state = step(started({ gates: gatesOff }), look, doubtful).state;
    const later = { ...doubtful, nowMs: startMs + 5_000 };
    state = step(state, look, later).state;
    state = step(state, look, later).state;
    expect(placeOf(state)).toBe('running wave 1 judging');
    const { sentence } = explainRollout(state, decideProgress(state as never, later));
    expect(sentence).toContain('waits: 50 % of the updates failed (at most 5 %)');
    const promoted = step(state, { type: 'promoted', by: bob, why: 'known dead battery' }, later);
    expect(placeOf(promoted.state)).toBe('running wave 2 offering');
    expect(promoted.state.last.because.some((fact) => fact.blocks)).toBe(true);
  });

  it('lets somebody else approve exactly what they saw', () => {
    const waiting = step(draftOf({ approval: 'required' }), submit).state;
    const binding = bindingOf(waiting.spec);
    expect(waiting.kind).toBe('awaiting-approval');
    expect(refusalOf(waiting, { type: 'approved', by: ann, binding, order: 1 })).toBe(
      'approval-own-rollout',
    );
    for (const change of [
      { digest: specOf(3).digest },
      { policyHash: 'f'.repeat(64) },
      { target: 'online = true' },
    ]) {
      const other = { ...binding, ...change };
      expect(refusalOf(waiting, { type: 'approved', by: bob, binding: other, order: 1 })).toBe(
        'approval-void',
      );
    }
    expect(step(waiting, { type: 'approved', by: bob, binding, order: 1 }).state.kind).toBe(
      'running',
    );
    const spec = specOf(2, { approval: 'required', soakMs: 1 });
    const edited = step(waiting, { type: 'edited', by: ann, spec }).state;
    expect(edited.kind).toBe('draft');
    const again = step(edited, submit).state;
    expect(refusalOf(again, { type: 'approved', by: bob, binding, order: 1 })).toBe(
      'approval-void',
    );
    expect(step(waiting, { type: 'denied', by: bob, why: 'no' }).state.kind).toBe('draft');
  });

  it('does not start what is revoked, nor what was aborted before without a person saying so', () => {
    const stopped = { ...quietContext, digest: 'stopped' as const };
    expect(refusalOf(draftOf(), submit, stopped)).toBe('digest-stopped');
    expect(step(draftOf({ overrideStop: true }), submit, stopped).state.kind).toBe('running');
    const revoked = { ...quietContext, digest: 'revoked' as const };
    expect(refusalOf(draftOf({ overrideStop: true }), submit, revoked)).toBe('digest-revoked');
    expect(step(started(), look, revoked).state).toMatchObject({
      kind: 'aborting',
      code: 'digest-revoked',
    });
  });

  it('holds where another rollout aborted its bundle, because nobody is offered it any more', () => {
    const passing = contextOf({ committed: 10 }, { digest: 'stopped' });
    const state = started({ gates: gatesOff });
    expect(step(state, look, passing).state).toMatchObject({ stage: { kind: 'offering' } });
    const { sentence } = explainRollout(state, decideProgress(state as never, passing));
    expect(sentence).toContain('waits: the bundle was aborted or regressed before');
    const forced = started({ gates: gatesOff, overrideStop: true });
    expect(step(forced, look, passing).state).toMatchObject({ stage: { kind: 'soaking' } });
    const harm = contextOf({ failed: 8 }, { digest: 'stopped' });
    expect(step(state, look, harm).state.kind).toBe('aborting');
  });

  it('falls back to draft when membership cannot be frozen, and keeps the first draw', () => {
    const starting = step(draftOf(), submit);
    expect(starting.effects.at(-1)).toEqual({ type: 'freeze-membership' });
    const failed = step(starting.state, { type: 'freeze-failed', code: 'no-members' });
    expect(failed.state).toMatchObject({ kind: 'draft', last: { code: 'no-members' } });
    const other = { ...assignment, secret: '1'.repeat(64) };
    const kept = step(started(), { type: 'membership-frozen', assignment: other }).state;
    expect(kept).toMatchObject({ assignment: { secret: '0'.repeat(64) } });
  });

  it('tries again at a higher retry and awaits the outcomes anew', () => {
    const soaking = step(started(), look, contextOf({ committed: 9, failed: 0 })).state;
    const { state, effects } = step(soaking, { type: 'retried', by: bob, why: 'space freed' });
    expect(state).toMatchObject({ retry: 1, stage: { kind: 'offering' } });
    expect(effects.at(-1)).toEqual({ type: 'offer-wave', wave: 0, retry: 1 });
  });

  it('answers any event in any order with a state or a coded refusal', () => {
    const counts = fc.record({
      offered: fc.nat(3),
      acknowledged: fc.nat(3),
      committed: fc.nat(30),
      failed: fc.nat(5),
      unreached: fc.nat(3),
      restoring: fc.nat(2),
    });
    const by = fc.constantFrom(ann, bob);
    const why = fc.constant('because');
    const event: fc.Arbitrary<RolloutEvent> = fc.oneof(
      { weight: 6, arbitrary: fc.constant(look) },
      fc.record({ type: fc.constant('submitted' as const), by, order: fc.nat() }),
      fc.record({
        type: fc.constant('approved' as const),
        by,
        order: fc.nat(),
        binding: fc.constant(bindingOf(draftOf({ approval: 'required' }).spec)),
      }),
      fc.constant<RolloutEvent>({ type: 'membership-frozen', assignment }),
      fc.record({
        type: fc.constantFrom('denied', 'paused', 'resumed', 'promoted', 'aborted', 'retried'),
        by,
        why,
      }) as fc.Arbitrary<RolloutEvent>,
    );
    const steps = fc.array(fc.tuple(event, counts, fc.nat(10_000)), { maxLength: 40 });
    fc.assert(
      fc.property(
        steps,
        fc.constantFrom('none' as const, 'required' as const),
        (list, approval) => {
          let state = draftOf({ approval });
          let nowMs = startMs;
          for (const [happened, updates, passedMs] of list) {
            nowMs += passedMs;
            const before = state;
            const context = contextOf(updates, { nowMs });
            const result = stepRollout(before, happened, context);
            if (!result.ok) continue;
            ({ state } = result.value);
            if (state.kind === 'running' && before.kind === 'running') {
              expect(state.wave).toBeGreaterThanOrEqual(before.wave);
              expect(state.wave - before.wave).toBeLessThanOrEqual(1);
            }
            if (before.kind === 'aborted') expect(state).toBe(before);
            if (before.kind === 'aborting') expect(['aborting', 'aborted']).toContain(state.kind);
            const transitions = result.value.effects.filter((e) => e.type === 'record-transition');
            expect(transitions.length).toBe(state.last === before.last ? 0 : 1);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('explainRollout', () => {
  it('names facts that, once flipped, let the rollout go on', () => {
    const waits = fc.record({ offered: fc.nat(2), acknowledged: fc.nat(2), committed: fc.nat(3) });
    fc.assert(
      fc.property(waits, fc.nat(2), (updates, offerable) => {
        const state = started({ gates: gatesOff });
        if (state.kind !== 'running') throw new Error(state.kind);
        const progress = decideProgress(state, contextOf(updates, { offerable }));
        for (const fact of progress.because) expect(factClauses[fact.name]).toBeDefined();
        const blocking = new Set(progress.because.filter((f) => f.blocks).map((f) => f.name));
        const flipped = contextOf(
          {
            offered: blocking.has('devices-not-answered') ? 0 : updates.offered,
            acknowledged: blocking.has('devices-updating') ? 0 : updates.acknowledged,
            committed: blocking.has('reached-devices') ? 1 : updates.committed,
          },
          { offerable: blocking.has('devices-to-offer') ? 0 : offerable },
        );
        const next = decideProgress(state, flipped);
        if (progress.move === 'wait' || progress.move === 'offer') {
          expect(blocking.size).toBeGreaterThan(0);
          expect(next.because).not.toEqual(progress.because);
        } else expect(blocking.size).toBe(0);
      }),
    );
  });

  it('tells who stopped a rollout, and in whose words', () => {
    const { state } = step(started(), { type: 'paused', by: bob, why: 'lunch' });
    expect(explainRollout(state, null).sentence).toBe(
      `${state.id} is paused wave 1 offering since bob decided so, person-decided ("lunch").`,
    );
  });
});
