import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RoundRequest } from '../../../shared/contracts/federation.ts';
import type {
  AppName,
  DeviceId,
  Digest,
  FleetId,
  RolloutId,
  RoundId,
  TargetPath,
} from '../../../shared/core/ids.ts';
import { createPrng, shuffled } from '../../../shared/core/prng.ts';
import { decideSelection } from './decide-selection.ts';
import { explainRound } from './explain-round.ts';
import { openPhases, type RoundEvent, type RoundPlan, type RoundState } from './round-state.ts';
import { createRound, stepRound } from './step-round.ts';

const digest = `sha256:${'1'.repeat(64)}` as Digest;
const request: RoundRequest = {
  app: 'filetype' as AppName,
  bundle: { path: 'bundles/filetype@2.0.0' as TargetPath, digest },
  training: { epochs: 1, batchRows: 8, learningRate: 1, goalDevices: 10, weightSamplesMax: 100 },
  minimumShare: 0.5,
  selectionMs: 1000,
  reportingMs: 5000,
  heldOut: digest,
};
const plan: RoundPlan = {
  round: 'rnd-0000000000000001' as RoundId,
  fleet: 'plant' as FleetId,
  request,
  training: { elements: [4], clipNorm: 1, floors: { devices: 6, samples: 1, epochsMax: 5 } },
  parent: digest,
  secret: '07'.repeat(32),
  author: 'ada',
  createdAtMs: 0,
};
const devices = (count: number): DeviceId[] =>
  Array.from({ length: count }, (_, i) => `dev-${i}` as DeviceId);
const evidence = {
  n: 10,
  base: { correct: 5, logLoss: 1 },
  candidate: { correct: 6, logLoss: 0.9 },
  goldenAgreement: 1,
  goldenDifference: 0.01,
};
const candidate = { path: 'federated/plant/filetype@3.0.0' as TargetPath, digest, evidence };
const rollout = 'rol-0000000000000001' as RolloutId;

const run = (events: readonly (readonly [number, RoundEvent])[]): RoundState =>
  events.reduce(
    (state, [nowMs, event]) => stepRound(state, event, { nowMs }).state,
    createRound(plan),
  );
const times = (count: number, event: RoundEvent, atMs: number): [number, RoundEvent][] =>
  Array.from({ length: count }, () => [atMs, event]);
const counted: RoundEvent = { type: 'update-counted' };
const refused: RoundEvent = { type: 'update-refused' };
const looked = (count: number): RoundEvent => ({ type: 'looked', eligible: devices(count) });
const reporting: [number, RoundEvent][] = [
  [10, looked(40)],
  [20, { type: 'orders-signed' }],
];
const aggregated = [...reporting, ...times(10, counted, 30)];

describe('decideSelection', () => {
  const rule = { goalDevices: 10, minimumShare: 0.5, floorDevices: 6, secret: Uint8Array.of(7) };

  it('when enough are eligible, invites 130 % of the goal whatever their order', () => {
    const first = decideSelection(rule, { devices: devices(50), isLate: false });
    const other = shuffled(devices(50), createPrng('other'));
    expect(first.kind === 'select' && first.devices).toHaveLength(13);
    expect(decideSelection(rule, { devices: other, isLate: false })).toEqual(first);
  });

  it('when the secret is another one, invites others', () => {
    const secret = Uint8Array.of(8);
    const eligible = { devices: devices(50), isLate: false };
    expect(decideSelection({ ...rule, secret }, eligible)).not.toEqual(
      decideSelection(rule, eligible),
    );
  });

  it('when the time is up, goes on with the minimum and not below the signed floor', () => {
    expect(decideSelection(rule, { devices: devices(12), isLate: false }).kind).toBe('wait');
    expect(decideSelection(rule, { devices: devices(6), isLate: true }).kind).toBe('select');
    expect(decideSelection(rule, { devices: devices(5), isLate: true }).kind).toBe('abandon');
  });
});

describe('stepRound', () => {
  it('when all goes well, walks from selecting to completed', () => {
    expect(run([[10, looked(12)]]).phase).toBe('selecting');
    expect(run(reporting.slice(0, 1)).phase).toBe('configuring');
    expect(run(reporting).phase).toBe('reporting');
    expect(run(aggregated).phase).toBe('aggregated');
    const published: [number, RoundEvent] = [40, { type: 'candidate-published', candidate }];
    const state = run([
      ...aggregated,
      published,
      [50, { type: 'rollout-started', rollout }],
      [60, { type: 'rollout-ended', completed: true, reason: 'completed' }],
    ]);
    expect(state).toMatchObject({ phase: 'completed', counted: 10, candidate: { rollout } });
  });

  it('when the deadline finds the minimum, aggregates with it; below it, is abandoned', () => {
    expect(run([...reporting, ...times(6, counted, 30), [6000, looked(0)]]).phase).toBe(
      'aggregated',
    );
    expect(run([...reporting, ...times(5, counted, 30), [6000, looked(0)]])).toMatchObject({
      phase: 'abandoned',
      from: 'reporting',
      reason: 'round-too-few-updates',
      counted: 5,
    });
  });

  it('when too few devices are eligible in time, is abandoned before anybody is asked', () => {
    expect(run([[1001, looked(3)]])).toMatchObject({
      phase: 'abandoned',
      from: 'selecting',
      reason: 'round-too-few-devices',
    });
  });

  it('when every invited device has answered, does not wait for the deadline', () => {
    const state = run([...reporting, ...times(5, refused, 30), ...times(8, counted, 40)]);
    expect(state).toMatchObject({ phase: 'aggregated', counted: 8, refused: 5 });
  });

  it('when the builder dies, tries again and then abandons; a refusal rejects the candidate', () => {
    const failed: [number, RoundEvent] = [40, { type: 'candidate-failed' }];
    expect(run([...aggregated, failed])).toMatchObject({ phase: 'aggregated', tries: 1 });
    expect(run([...aggregated, failed, failed])).toMatchObject({
      phase: 'abandoned',
      reason: 'candidate-build-failed',
    });
    const refusal: RoundEvent = {
      type: 'candidate-refused',
      reason: 'candidate-not-better',
      evidence,
    };
    expect(run([...aggregated, [40, refusal]])).toMatchObject({
      phase: 'candidate-rejected',
      reason: 'candidate-not-better',
    });
  });

  it('when its rollout is aborted, the candidate is rejected', () => {
    const state = run([
      ...aggregated,
      [40, { type: 'candidate-published', candidate }],
      [50, { type: 'rollout-started', rollout }],
      [60, { type: 'rollout-ended', completed: false, reason: 'accuracy' }],
    ]);
    expect(state).toMatchObject({ phase: 'candidate-rejected', reason: 'accuracy' });
  });

  it('whatever happens in whatever order, an ended round never moves and owes only clean-up', () => {
    const events = fc.array(
      fc.tuple(
        fc.nat(7000),
        fc.constantFrom<RoundEvent>(
          looked(40),
          looked(3),
          { type: 'orders-signed' },
          counted,
          refused,
          { type: 'candidate-published', candidate },
          { type: 'candidate-failed' },
          { type: 'rollout-started', rollout },
          { type: 'rollout-ended', completed: true, reason: 'completed' },
          { type: 'person-abandoned' },
        ),
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(events, (list) => {
        let state = createRound(plan);
        for (const [nowMs, event] of list) {
          const step = stepRound(state, event, { nowMs });
          if (!openPhases.has(state.phase)) expect(step.state).toBe(state);
          state = step.state;
          if (state.phase === 'aggregated') expect(state.counted).toBeGreaterThanOrEqual(6);
          if (!openPhases.has(state.phase)) {
            expect(step.effects).toEqual([{ kind: 'forget-updates' }]);
          }
        }
      }),
    );
  });

  it('when asked, says where it stands with its numbers', () => {
    const state = run([...reporting, ...times(4, counted, 30), ...times(1, refused, 30)]);
    expect(explainRound(state, [], { nowMs: 1020 })).toMatchObject({
      sentence:
        'rnd-0000000000000001 (filetype) is reporting: 4 of 10 updates counted, 1 refused, 4000 ms are left.',
      decision: 'reporting',
    });
    expect(explainRound(createRound(plan), devices(3), { nowMs: 0 }).sentence).toContain(
      '3 of 13 devices are eligible',
    );
  });
});
