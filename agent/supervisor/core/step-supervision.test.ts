import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import { type PreviousExit, previousExitOf, previousExitText } from './previous-exit.ts';
import { nextDueMs, type SupervisionEvent, stepSupervision } from './step-supervision.ts';
import type { SupervisionEffect } from './supervision-effect.ts';
import { restartDelayMs, supervisionPolicy } from './supervision-policy.ts';
import { firstState, type SupervisionState } from './supervision-state.ts';

const policy = supervisionPolicy;

/** Steps through `[nowMs, event]` pairs; returns the last state and the effects of the last step. */
function after(...history: readonly (readonly [number, SupervisionEvent])[]): {
  state: SupervisionState;
  effects: readonly SupervisionEffect[];
} {
  let state = firstState;
  let effects: readonly SupervisionEffect[] = [];
  for (const [nowMs, event] of history) {
    ({ state, effects } = stepSupervision(state, event, { nowMs, policy }));
  }
  return { state, effects };
}

type Entry = readonly [number, SupervisionEvent];
const started: Entry = [0, { kind: 'supervisor-started', previous: undefined }];
const running: readonly Entry[] = [started, [0, { kind: 'child-started', pid: 100 }]];
const beat = (atMs: number): Entry => [
  atMs,
  { kind: 'child-spoke', message: { kind: 'heartbeat' } },
];
const time = (atMs: number): Entry => [atMs, { kind: 'time-passed' }];
const exited = (atMs: number, code: number | null, signal: string | null = null): Entry => [
  atMs,
  { kind: 'child-exited', code, signal },
];
const stop = (atMs: number): Entry => [atMs, { kind: 'stop-asked' }];
const killMe = (atMs: number): Entry => [
  atMs,
  { kind: 'child-spoke', message: { kind: 'kill-me', slot: 'vad', code: 'inference-timeout' } },
];
const trial = { pid: 200, birth: '77' };
const terms = { memoryBytesMax: 1_000, dueInMs: 5_000 };
const trialStarted = (atMs: number): Entry => [
  atMs,
  { kind: 'child-spoke', message: { kind: 'trial-started', trial, ...terms } },
];
const sigkill: SupervisionEffect = { kind: 'signal-child', signal: 'SIGKILL' };
const writtenExit = (effects: readonly SupervisionEffect[]): PreviousExit | undefined =>
  effects.find((effect) => effect.kind === 'write-exit')?.exit;

describe('stepSupervision', () => {
  it('when the supervisor starts for the first time, spawns a child without a past', () => {
    expect(after(started).effects).toEqual([{ kind: 'spawn-child', previous: undefined }]);
  });

  it('when heartbeats come, waits a full term after each', () => {
    const { state } = after(...running, beat(5_000), beat(6_000));
    expect(nextDueMs(state)).toBe(6_000 + policy.heartbeatTimeoutMs);
  });

  it('when heartbeats stop, kills the child once and names the silence as reason', () => {
    const due = 6_000 + policy.heartbeatTimeoutMs;
    expect(after(...running, beat(6_000), time(due - 1)).effects).toEqual([]);
    const killed = after(...running, beat(6_000), time(due));
    expect(killed.effects).toEqual([sigkill]);
    expect(nextDueMs(killed.state)).toBe(Infinity);
    const { effects } = after(...running, beat(6_000), time(due), exited(due + 1, null, 'SIGKILL'));
    expect(writtenExit(effects)).toMatchObject({ reason: 'heartbeat-missed', crashesInWindow: 1 });
  });

  it('when the first heartbeat does not come, allows the start its longer grace', () => {
    expect(after(...running, time(policy.startGraceMs - 1)).effects).toEqual([]);
    expect(after(...running, time(policy.startGraceMs)).effects).toEqual([sigkill]);
  });

  it('when the supervisor itself stood still, gives the child one more term before it judges', () => {
    const late = 6_000 + policy.heartbeatTimeoutMs + policy.ownLatenessMs + 1;
    const woken = after(...running, beat(6_000), time(late));
    expect(woken.effects).toEqual([]);
    const due = nextDueMs(woken.state);
    expect(due).toBe(late + policy.heartbeatTimeoutMs);
    expect(after(...running, beat(6_000), time(late), time(due)).effects).toEqual([sigkill]);
  });

  it('when the child asks to be killed, kills it and hands its blame to the successor', () => {
    expect(after(...running, killMe(1_000)).effects).toEqual([sigkill]);
    expect(after(...running, killMe(1_000), killMe(1_001)).effects).toEqual([]);
    const gone = after(...running, killMe(1_000), exited(1_100, null, 'SIGKILL'));
    expect(writtenExit(gone.effects)).toEqual({
      reason: 'hang',
      code: null,
      signal: 'SIGKILL',
      slot: 'vad',
      blame: 'inference-timeout',
      crashesInWindow: 1,
    });
    const due = nextDueMs(gone.state);
    const history = [...running, killMe(1_000), exited(1_100, null, 'SIGKILL'), time(due)];
    expect(after(...history).effects).toEqual([
      { kind: 'spawn-child', previous: writtenExit(gone.effects) },
    ]);
  });

  it('when the child dies with trials running, kills those before anything else', () => {
    const { effects } = after(...running, trialStarted(10), exited(20, null, 'SIGSEGV'));
    expect(effects[0]).toEqual({ kind: 'kill-orphans', orphans: [trial] });
    expect(writtenExit(effects)).toMatchObject({ reason: 'crash', signal: 'SIGSEGV' });
  });

  it('when a trial has ended, it is nobody to kill any more', () => {
    const ended: Entry = [15, { kind: 'child-spoke', message: { kind: 'trial-ended', trial } }];
    const { effects } = after(...running, trialStarted(10), ended, exited(20, 1));
    expect(effects.map(({ kind }) => kind)).toEqual(['write-exit']);
  });

  it('when a trial is heard of only after its parent died, kills it at once', () => {
    const { effects } = after(...running, exited(20, 1), trialStarted(21));
    expect(effects).toEqual([{ kind: 'kill-orphans', orphans: [trial] }]);
  });

  it('when a child reports more trials than it may run, remembers the newest', () => {
    const many = Array.from({ length: limits.trialsMax + 3 }, (_, index): Entry => {
      const next = { pid: 300 + index, birth: 'b' };
      return [
        10,
        { kind: 'child-spoke', message: { kind: 'trial-started', trial: next, ...terms } },
      ];
    });
    const { state } = after(...running, ...many);
    expect(state.trials.map((watched) => watched.trial.pid)).toEqual([
      303, 304, 305, 306, 307, 308, 309, 310,
    ]);
  });

  it('when somebody else kills the child, says killed and not crash', () => {
    const { effects } = after(...running, exited(10, null, 'SIGKILL'));
    expect(writtenExit(effects)).toMatchObject({ reason: 'killed' });
  });

  it('when the child exits with code 0, starts it again and counts no crash', () => {
    const { state, effects } = after(...running, exited(10, 0));
    expect(writtenExit(effects)).toMatchObject({ reason: 'clean', crashesInWindow: 0 });
    expect(nextDueMs(state)).toBe(10 + policy.restartDelayMs);
  });

  it('when crashes repeat, doubles the delay up to its end and never gives up', () => {
    const delays = [1, 2, 3, 4, 20].map((crashes) => restartDelayMs(policy, crashes));
    expect(delays).toEqual([250, 500, 1_000, 2_000, policy.restartDelayMsMax]);
    const loop: Entry[] = [...running];
    let atMs = 0;
    for (let crash = 0; crash < 100; crash += 1) {
      loop.push(exited(atMs, 1), time(atMs + policy.restartDelayMsMax));
      atMs += policy.restartDelayMsMax;
      loop.push([atMs, { kind: 'child-started', pid: 100 + crash }]);
    }
    expect(after(...loop).state.child.kind).toBe('running');
    expect(after(...loop).state.crashesAtMs.length).toBeLessThanOrEqual(limits.crashesCountedMax);
  });

  it('when a crash is older than the window, it is forgotten', () => {
    const again: readonly Entry[] = [
      ...running,
      exited(10, 1),
      time(1_000),
      [1_000, { kind: 'child-started', pid: 101 }],
    ];
    const soon = after(...again, exited(10 + policy.crashWindowMs - 1, 1));
    expect(writtenExit(soon.effects)).toMatchObject({ crashesInWindow: 2 });
    const late = after(...again, exited(10 + policy.crashWindowMs, 1));
    expect(writtenExit(late.effects)).toMatchObject({ crashesInWindow: 1 });
  });

  it('when the supervisor starts again, goes on counting where its file ends', () => {
    const previous: PreviousExit = {
      reason: 'crash',
      code: 1,
      signal: null,
      crashesInWindow: 4,
    };
    const { effects } = after(
      [0, { kind: 'supervisor-started', previous }],
      [0, { kind: 'child-started', pid: 100 }],
      exited(10, 1),
    );
    expect(writtenExit(effects)).toMatchObject({ crashesInWindow: 5 });
  });

  it('when the configuration is hopeless, ends with the same code instead of looping', () => {
    const { effects } = after(...running, exited(10, policy.hopelessExitCode));
    expect(effects.at(-1)).toEqual({ kind: 'end', exitCode: 78 });
  });

  it('when the process is refused, tries again later', () => {
    const refused = after(started, [5, { kind: 'spawn-refused' }]);
    expect(writtenExit(refused.effects)).toMatchObject({ reason: 'spawn-failed' });
    expect(nextDueMs(refused.state)).toBe(5 + policy.restartDelayMs);
  });

  it('when asked to stop, asks the child, waits, and then kills it', () => {
    const asked = after(...running, stop(100));
    expect(asked.effects).toEqual([{ kind: 'signal-child', signal: 'SIGTERM' }]);
    const due = 100 + policy.stopTimeoutMs;
    expect(nextDueMs(asked.state)).toBe(due);
    expect(after(...running, stop(100), stop(200)).effects).toEqual([]);
    expect(after(...running, stop(100), time(due)).effects).toEqual([sigkill]);
    expect(after(...running, stop(100), killMe(101)).effects).toEqual([sigkill]);
    const { effects } = after(...running, trialStarted(1), stop(100), exited(200, 0));
    expect(effects.map(({ kind }) => kind)).toEqual(['kill-orphans', 'write-exit', 'end']);
    expect(writtenExit(effects)).toMatchObject({ reason: 'stopped', crashesInWindow: 0 });
  });

  it('when asked to stop before the child has started, stops it as soon as it has', () => {
    const { effects } = after(started, stop(1), [2, { kind: 'child-started', pid: 100 }]);
    expect(effects).toEqual([{ kind: 'signal-child', signal: 'SIGTERM' }]);
  });

  it('when asked to stop between two children, ends at once', () => {
    const { effects } = after(...running, exited(10, 1), stop(20));
    expect(effects).toEqual([{ kind: 'end', exitCode: 0 }]);
  });

  it('when events come in any order, at most one child lives and a stop always ends it', () => {
    const event = fc.oneof(
      fc.constantFrom<SupervisionEvent>(
        { kind: 'time-passed' },
        { kind: 'child-spoke', message: { kind: 'heartbeat' } },
        { kind: 'child-spoke', message: { kind: 'kill-me', slot: 's', code: 'c' } },
        { kind: 'child-spoke', message: { kind: 'trial-started', trial, ...terms } },
        { kind: 'child-spoke', message: { kind: 'trial-due', trial, dueInMs: 10 } },
        { kind: 'child-spoke', message: { kind: 'guard-memory', bytesMax: 500 } },
        { kind: 'memory-read', reading: { trials: [], childBytes: 501 } },
        { kind: 'memory-read', reading: { trials: [{ trial, residentBytes: 7 }], childBytes: 1 } },
        { kind: 'child-exited', code: 1, signal: null },
        { kind: 'child-exited', code: 0, signal: null },
      ),
    );
    const history = fc.array(fc.tuple(event, fc.nat({ max: 70_000 })), { maxLength: 60 });
    fc.assert(
      fc.property(history, (entries) => {
        const world = new World();
        for (const [next, waitMs] of entries) world.happen(next, waitMs);
        world.happen({ kind: 'stop-asked' }, 0);
        world.happen({ kind: 'time-passed' }, policy.stopTimeoutMs);
        if (world.living > 0) world.happen({ kind: 'child-exited', code: null, signal: 'SIGKILL' });
        expect(world.ended).toBe(1);
        expect(world.state.child.kind).toBe('ended');
      }),
    );
  });
});

/** Performs effects as a host would: a spawn succeeds at once, and exits happen to living children only. */
class World {
  state = firstState;
  living = 0;
  ended = 0;
  #nowMs = 0;

  constructor() {
    this.happen({ kind: 'supervisor-started', previous: undefined });
  }

  happen(event: SupervisionEvent, waitMs = 1): void {
    this.#nowMs += waitMs;
    const isChilds = event.kind === 'child-exited' || event.kind === 'child-spoke';
    if (isChilds && this.living === 0) return;
    if (event.kind === 'child-exited') this.living -= 1;
    const { state, effects } = stepSupervision(this.state, event, { nowMs: this.#nowMs, policy });
    this.state = state;
    for (const effect of effects) {
      if (effect.kind === 'end') this.ended += 1;
      if (effect.kind === 'signal-child') expect(this.living).toBe(1);
      if (effect.kind !== 'spawn-child') continue;
      this.living += 1;
      expect(this.living).toBe(1);
      this.happen({ kind: 'child-started', pid: 100 });
    }
  }
}

describe('previousExitOf', () => {
  it('when the text is what was written, returns the same facts', () => {
    const exit: PreviousExit = {
      reason: 'hang',
      code: null,
      signal: 'SIGKILL',
      slot: 'vad',
      blame: 'inference-timeout',
      crashesInWindow: 3,
    };
    expect(previousExitOf(previousExitText(exit))).toEqual(exit);
  });

  it('when the text is torn or foreign, knows nothing', () => {
    const wrong = [
      '',
      '{',
      'null',
      '7',
      '{"reason":"other","crashesInWindow":1}',
      '{"reason":"crash","crashesInWindow":-1}',
      '{"reason":"crash"}',
    ];
    expect(wrong.map(previousExitOf)).toEqual(wrong.map(() => undefined));
  });
});
