import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DesiredEntry } from '../../../shared/contracts/desired.ts';
import type { RolloutRequest } from '../../../shared/contracts/rollout.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import {
  deviceId,
  digestOfVersion,
  filetype,
  fleet,
  rolloutId,
  specOf,
  startMs,
  targetableOf,
  utcOnly,
} from '../../../test/support/rollout-samples.ts';
import type { Regression } from '../model/regression.ts';
import { parseFilter } from '../targeting/parse-filter.ts';
import { type Assignment, type AssignmentIndex, indexAssignment } from './assignment.ts';
import { everybody, nobody } from './cells.ts';
import { decideDesired } from './decide-desired.ts';
import { explainDevice } from './explain-device.ts';
import { factClauses } from './fact-sentence.ts';
import type { DesiredContext, DesiredDevice, DesiredRollout, StartedState } from './offer-facts.ts';
import type { RolloutState } from './rollout-state.ts';
import { openExposure, stepExposure } from './step-exposure.ts';

const id = deviceId(1);
/** An assignment in which every device of the fleet is in `wave`; above the last one: held back. */
const everyoneIn = (wave: number, waves = 4): Assignment => ({
  secret: '0'.repeat(64),
  frozenAtMs: startMs,
  stratifyBy: [],
  strata: [
    {
      stratum: '[]',
      isVeteran: true,
      waves: Array.from({ length: waves }, (_, k) => (k >= wave ? everybody : nobody)),
      control: wave < waves ? everybody : nobody,
    },
  ],
  members: 1,
  holdback: 0,
  waveSizes: Array.from({ length: waves }, () => 1),
  isFirstRelease: false,
});

/** Ordering the cells is for once per rollout, not once per example. */
const indexes = new Map<number, AssignmentIndex>();
const indexOf = (wave: number): AssignmentIndex => {
  const index = indexes.get(wave) ?? indexAssignment(everyoneIn(wave));
  indexes.set(wave, index);
  return index;
};

interface RolloutShape {
  readonly version: number;
  readonly order: number;
  readonly kind?: 'running' | 'paused' | 'completed' | 'aborting' | 'aborted';
  readonly wave?: number;
  readonly open?: number;
  readonly retry?: number;
  readonly change?: Partial<RolloutRequest>;
}

function rolloutOf(shape: RolloutShape): DesiredRollout {
  const { version, order, kind = 'running', wave = 0, open = 0, retry = 0 } = shape;
  const spec = specOf(version, shape.change);
  const assignment = everyoneIn(wave);
  const common = {
    id: rolloutId(order),
    fleet,
    spec,
    author: 'ann',
    createdAtMs: startMs,
    retry,
    last: {
      from: '',
      to: '',
      by: { kind: 'skein' as const },
      atMs: startMs,
      code: 'x',
      why: null,
      because: [],
    },
    order,
    startedAtMs: startMs,
  };
  const running = {
    assignment,
    wave: open,
    stage: { kind: 'offering' as const, sinceMs: startMs },
    looks: { count: 0, outcomes: 0, inferences: 0 },
    replaced: { devices: 0, isExhausted: false },
  };
  const states: Record<string, RolloutState> = {
    running: { ...common, kind: 'running', ...running },
    paused: { ...common, kind: 'paused', running, sinceMs: startMs },
    completed: { ...common, kind: 'completed', assignment, completedAtMs: startMs },
    aborting: { ...common, kind: 'aborting', assignment, code: 'accuracy', sinceMs: startMs },
    aborted: { ...common, kind: 'aborted', assignment, code: 'accuracy', abortedAtMs: startMs },
  };
  const target = parseFilter(spec.target);
  if (!target.ok) throw new Error(target.error.message);
  return {
    state: states[kind] as StartedState,
    target: target.value,
    index: indexOf(wave),
  };
}

const deviceOf = (change: Partial<DesiredDevice> = {}): DesiredDevice => ({
  id,
  cell: 5,
  targetable: targetableOf(id, { tags: new Map([['site', 'oslo']]) }),
  generation: 7,
  desired: new Map(),
  firstCommittedAtMs: new Map([[filetype, startMs - 1]]),
  refused: [],
  exposures: [],
  protocol: null,
  agentVersion: '1.1.9',
  ...change,
});
const contextOf = (change: Partial<DesiredContext> = {}): DesiredContext => ({
  nowMs: startMs,
  zones: utcOnly,
  revoked: new Set(),
  stopped: new Set(),
  regressions: [],
  minAgents: new Map(),
  ...change,
});
const entryOf = ({ state }: DesiredRollout): DesiredEntry => ({
  app: filetype,
  path: state.spec.path,
  digest: state.spec.digest,
  rollout: state.id,
  retry: state.retry,
});
const having = (rollout: DesiredRollout) => new Map([[filetype, entryOf(rollout)]]);
const exposed = (rollout: DesiredRollout, previous: DesiredEntry | null) =>
  openExposure(
    {
      device: id,
      wave: 0,
      generation: 7,
      previous,
      entry: { ...entryOf(rollout), rollout: rollout.state.id },
    },
    { nowMs: startMs, reachMs: 1000 },
  );
const decide = (
  device: DesiredDevice,
  rollouts: readonly DesiredRollout[],
  context = contextOf(),
) => decideDesired(device, rollouts, context);

const v1 = rolloutOf({ version: 1, order: 1, kind: 'completed' });

describe('decideDesired', () => {
  it('offers when it is the turn of the device, under a higher generation, and then keeps', () => {
    const v2 = rolloutOf({ version: 2, order: 2 });
    const first = decide(deviceOf({ desired: having(v1) }), [v2, v1]);
    expect(first).toMatchObject({ changed: true, generation: 8 });
    expect(first.because[0]).toMatchObject({ decision: 'offer', previous: entryOf(v1) });
    const again = decide(deviceOf({ desired: first.desired }), [v2, v1]);
    expect(again).toMatchObject({ changed: false, generation: 7 });
    expect(again.desired).toEqual(first.desired);
  });

  it('gives a new device what is complete while a newer rollout is not yet at its wave', () => {
    const v2 = rolloutOf({ version: 2, order: 2, wave: 3 });
    const decision = decide(deviceOf(), [v1, v2]);
    expect(decision.desired.get(filetype)).toEqual(entryOf(v1));
    expect(explainDevice(id, decision.because[0]!, v2.state.id).decision).toBe('offer');
  });

  it('goes back to the own previous entry when the rollout aborts, over a chain of aborts too', () => {
    const v2 = rolloutOf({ version: 2, order: 2, kind: 'aborted' });
    const v3 = rolloutOf({ version: 3, order: 3, kind: 'aborting' });
    const exposures = [exposed(v2, entryOf(v1)), exposed(v3, entryOf(v2))];
    const decision = decide(deviceOf({ desired: having(v3), exposures }), [v1, v2, v3]);
    expect(decision.because[0]).toMatchObject({ decision: 'restore', entry: entryOf(v1) });
    expect(decision.generation).toBe(8);
    expect(explainDevice(id, decision.because[0]!).sentence).toBe(
      `${id} is given filetype@1.0.0: it goes back, because ${v3.state.id} was aborted or revoked.`,
    );
  });

  it('withdraws the first bundle ever when it aborts, because there is nothing to go back to', () => {
    const first = rolloutOf({ version: 1, order: 1, kind: 'aborting' });
    const device = deviceOf({ desired: having(first), exposures: [exposed(first, null)] });
    const decision = decide(device, [first]);
    expect(decision.because[0]).toMatchObject({ decision: 'withdraw', entry: null });
    expect(decision.desired.size).toBe(0);
  });

  it('leaves a revoked bundle for the previous one', () => {
    const v2 = rolloutOf({ version: 2, order: 2, kind: 'completed' });
    const device = deviceOf({ desired: having(v2), exposures: [exposed(v2, entryOf(v1))] });
    const decision = decide(
      device,
      [v1, v2],
      contextOf({ revoked: new Set([digestOfVersion(2)]) }),
    );
    expect(decision.because[0]).toMatchObject({ decision: 'restore', entry: entryOf(v1) });
  });

  it('lets the second rollout wait for the first, and take over when it says supersede', () => {
    const v2 = rolloutOf({ version: 2, order: 2, wave: 3 });
    const waiting = rolloutOf({ version: 3, order: 3 });
    const decision = decide(deviceOf({ desired: having(v1) }), [v1, v2, waiting]);
    expect(decision.changed).toBe(false);
    expect(explainDevice(id, decision.because[0]!, waiting.state.id).sentence).toBe(
      `${id} is given filetype@1.0.0; ${waiting.state.id} waits: ${v2.state.id} holds the claim on this app.`,
    );
    const pushing = rolloutOf({ version: 3, order: 3, change: { supersede: true } });
    const device = deviceOf({ desired: having(v2), exposures: [exposed(v2, entryOf(v1))] });
    const taken = decide(device, [v1, v2, pushing]);
    expect(taken.because[0]).toMatchObject({
      decision: 'offer',
      entry: entryOf(pushing),
      previous: entryOf(v2),
      supersedes: [v2.state.id],
    });
    const after = decide(deviceOf({ desired: taken.desired }), [
      v1,
      v2,
      rolloutOf({ version: 3, order: 3, kind: 'completed' }),
    ]);
    expect(after.changed).toBe(false);
  });

  it('offers again after a retry where the update failed, and nowhere else', () => {
    const v2 = rolloutOf({ version: 2, order: 2, retry: 1 });
    const old = { ...entryOf(v2), retry: 0 };
    const context = {
      nowMs: startMs,
      zone: '',
      zones: utcOnly,
      window: null,
      deadlineMs: 1,
      reachMs: 1,
    };
    const target = { path: old.path, digest: old.digest, generation: 7, retry: 0 };
    const ended = (phase: 'reverted' | 'committed') =>
      stepExposure(
        { ...exposed(v2, entryOf(v1)), retry: 0 },
        { type: 'reported', generation: 7, app: { app: filetype, phase, target } },
        context,
      );
    const deviceWith = (phase: 'reverted' | 'committed') =>
      deviceOf({
        desired: new Map([[filetype, old]]),
        exposures: [ended(phase)],
        refused: phase === 'reverted' ? [{ digest: old.digest, retry: 0 }] : [],
      });
    expect(decide(deviceWith('reverted'), [v1, v2]).desired.get(filetype)?.retry).toBe(1);
    expect(decide(deviceWith('committed'), [v1, v2]).changed).toBe(false);
  });

  it('offers a stopped digest only where a person said so', () => {
    const stopped = contextOf({ stopped: new Set([digestOfVersion(2)]) });
    const device = deviceOf({ desired: having(v1) });
    expect(decide(device, [v1, rolloutOf({ version: 2, order: 2 })], stopped).changed).toBe(false);
    const forced = rolloutOf({ version: 2, order: 2, change: { overrideStop: true } });
    expect(decide(device, [v1, forced], stopped).desired.get(filetype)).toEqual(entryOf(forced));
  });

  describe('when devices took the bundle back after its commit', () => {
    const [own, other] = [rolloutId(2), rolloutId(9)];
    const fresh = deviceOf({ desired: having(v1) });
    const isOffered = (shape: Partial<RolloutShape>, regression: Regression, device = fresh) => {
      const subject = rolloutOf({ version: 2, order: 2, wave: 0, ...shape });
      const context = contextOf({ regressions: [regression] });
      return decide(device, [v1, subject], context).because[0]?.rollout === subject.state.id;
    };
    it('leaves its own devices to the gates of a rollout that runs', () => {
      const regression = regressionOf(digestOfVersion(2), { rollout: own });
      expect(isOffered({}, regression)).toBe(true);
    });
    it('stops what another rollout of it offers, and what is complete since then', () => {
      const elsewhere = regressionOf(digestOfVersion(2), { rollout: other });
      const [before, after] = [startMs, startMs + 1].map((lastAtMs) =>
        regressionOf(digestOfVersion(2), { rollout: own, lastAtMs }),
      ) as [Regression, Regression];
      expect(isOffered({}, elsewhere)).toBe(false);
      expect(isOffered({ kind: 'completed' }, elsewhere)).toBe(false);
      expect(isOffered({ kind: 'completed' }, before)).toBe(true);
      expect(isOffered({ kind: 'completed' }, after)).toBe(false);
      const forced = { kind: 'completed' as const, change: { overrideStop: true } };
      expect(isOffered(forced, after)).toBe(true);
      const otherBundle = regressionOf(digestOfVersion(3), { rollout: other });
      expect(isOffered({}, otherBundle)).toBe(true);
    });
    it('lets a device that failed try again when a person retries', () => {
      const completed = rolloutOf({ version: 2, order: 2, kind: 'completed' });
      const failed = { ...exposed(completed, entryOf(v1)), phase: 'failed' as const };
      const device = deviceOf({ desired: having(completed), exposures: [failed] });
      const regression = regressionOf(digestOfVersion(2), { rollout: own, lastAtMs: startMs + 1 });
      expect(isOffered({ kind: 'completed', retry: 1 }, regression, device)).toBe(true);
    });
  });

  it('does not disturb other apps of the device', () => {
    const bearing = { ...entryOf(v1), app: 'bearing' as typeof filetype };
    const desired = new Map([[bearing.app, bearing]]);
    const decision = decide(deviceOf({ desired }), [rolloutOf({ version: 2, order: 2 })]);
    expect([...decision.desired.keys()]).toEqual(['bearing', 'filetype']);
    expect(decision.desired.get(bearing.app)).toEqual(bearing);
  });
});

const regressionOf = (digest: Digest, change: Partial<Regression> = {}): Regression => ({
  ...{ digest, rollout: rolloutId(99), count: 1, firstAtMs: startMs, lastAtMs: startMs },
  ...{ lastDevice: id, lastCode: 'accuracy' },
  ...change,
});

/** The obstacles that can stand between a rollout and a device, each with the fact that must name it. */
const obstacles = [
  'enrolment',
  'member',
  'rollout-state',
  'revoked-digest',
  'stopped-digest',
  'regressions',
  'protocol-unspoken',
  'agent-version',
  'superseded-by',
  'claimed-by',
  'wave',
  'refused-at-retry',
  'maintenance-window',
] as const;
type Obstacle = (typeof obstacles)[number];

function decideBetween(present: ReadonlySet<Obstacle>) {
  const is = (obstacle: Obstacle): boolean => present.has(obstacle);
  const subject = rolloutOf({
    version: 5,
    order: 5,
    kind: is('rollout-state') ? 'paused' : 'running',
    wave: 2,
    open: is('wave') ? 1 : 2,
    change: {
      target: is('member') ? 'tags.site = rome' : 'tags.site = oslo',
      // startMs is 08:00 in UTC.
      ...(is('maintenance-window') ? { window: { from: '22:00', to: '04:00' } } : {}),
    },
  });
  const newer = rolloutOf({
    version: 6,
    order: 6,
    kind: 'completed',
    change: { target: 'tags:none' },
  });
  // A claim of what is older than the device's entry would not count, so the rival comes after the newer one.
  const rival = rolloutOf({
    version: 7,
    order: is('superseded-by') ? 7 : 4,
    wave: 3,
    change: { supersede: is('superseded-by'), target: 'tags.site = oslo' },
  });
  const current = is('superseded-by') ? newer : v1;
  const digests = (obstacle: Obstacle): ReadonlySet<Digest> =>
    new Set(is(obstacle) ? [subject.state.spec.digest] : []);
  const device = deviceOf({
    desired: having(current),
    targetable: targetableOf(id, {
      state: is('enrolment') ? 'pending' : 'accepted',
      tags: new Map([['site', 'oslo']]),
    }),
    protocol: is('protocol-unspoken') ? { min: 2, max: 3 } : { min: 1, max: 3 },
    refused: is('refused-at-retry') ? [{ digest: subject.state.spec.digest, retry: 0 }] : [],
  });
  const rollouts = [v1, newer, subject, ...(is('claimed-by') ? [rival] : [])];
  const context = contextOf({
    revoked: digests('revoked-digest'),
    stopped: digests('stopped-digest'),
    regressions: is('regressions') ? [regressionOf(subject.state.spec.digest)] : [],
    minAgents: new Map([[subject.state.spec.digest, is('agent-version') ? '1.2.0' : '1.1.9']]),
  });
  const decision = decide(device, rollouts, context).because[0]!;
  const considered = decision.considered.find((entry) => entry.rollout === subject.state.id)!;
  return { decision, considered, rollout: subject.state.id };
}

describe('explainDevice', () => {
  it('names exactly the facts that block, and flipping them all makes the offer happen', () => {
    fc.assert(
      fc.property(fc.subarray([...obstacles]), (list) => {
        const present = new Set<Obstacle>(list);
        for (let left = present.size; left >= 0; left -= 1) {
          const { decision, considered, rollout } = decideBetween(present);
          const blocking = considered.facts.filter((fact) => fact.blocks).map((fact) => fact.name);
          expect(blocking.toSorted()).toEqual([...present].toSorted());
          expect(considered.outcome).toBe(present.size === 0 ? 'offered' : 'waits');
          const explanation = explainDevice(id, decision, rollout);
          expect(explanation.because).toEqual(considered.facts);
          // Flip the fact that the sentence names first, and look again.
          present.delete(blocking[0] as Obstacle);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('has a clause for every obstacle, and says them all in one sentence', () => {
    for (const obstacle of obstacles) {
      expect(factClauses[obstacle]).toBeDefined();
      const { decision, rollout } = decideBetween(new Set([obstacle]));
      const { sentence } = explainDevice(id, decision, rollout);
      expect(sentence).toMatch(
        /^edge-0001 is given filetype@.*; rol-0000000000000005 waits: [^;]*\.$/,
      );
    }
  });
});
