import { describe, expect, it } from 'vitest';
import { previousExitOf, previousExitText } from './previous-exit.ts';
import { nextDueMs, type SupervisionEvent, stepSupervision } from './step-supervision.ts';
import type { SupervisionEffect } from './supervision-effect.ts';
import { supervisionPolicy as policy } from './supervision-policy.ts';
import { firstState, type SupervisionState } from './supervision-state.ts';
import { supervisorMessageOf } from './supervisor-message.ts';

const trial = { pid: 200, birth: '77' };

/** A supervised child whose memory the test sets; time passes by the looks that the reducer asks for. */
class Watched {
  state: SupervisionState = firstState;
  childBytes = 100;
  trialBytes: number | undefined = 100;
  nowMs = 0;

  constructor() {
    this.happen({ kind: 'supervisor-started', previous: undefined });
    this.happen({ kind: 'child-started', pid: 100 });
  }

  happen(event: SupervisionEvent): readonly SupervisionEffect[] {
    const context = { nowMs: this.nowMs, policy };
    const { state, effects } = stepSupervision(this.state, event, context);
    this.state = state;
    return effects;
  }

  startTrial(dueInMs = 60_000): void {
    const message = { kind: 'trial-started', trial, memoryBytesMax: 1_000, dueInMs } as const;
    this.happen({ kind: 'child-spoke', message });
  }

  /** Waits for whatever is due next and answers a look at the memory. */
  look(): readonly SupervisionEffect[] {
    this.nowMs = Math.max(this.nowMs, nextDueMs(this.state));
    return this.happen({ kind: 'time-passed' }).flatMap((effect) => {
      if (effect.kind !== 'read-memory') return [effect];
      const childBytes = effect.isChildGuarded ? this.childBytes : undefined;
      const trials = effect.trials.map((asked) => ({
        trial: asked,
        residentBytes: this.trialBytes,
      }));
      return this.happen({ kind: 'memory-read', reading: { trials, childBytes } });
    });
  }

  beat(): void {
    this.happen({ kind: 'child-spoke', message: { kind: 'heartbeat' } });
  }
}

const kills = (reason: string) => [
  { kind: 'tell-child', message: { kind: 'trial-killed', trial, reason } },
  { kind: 'kill-trial', trial, reason },
];

describe('the watch over memory', () => {
  it('when nothing is to be watched, asks for no look', () => {
    const watched = new Watched();
    watched.beat();
    expect(nextDueMs(watched.state)).toBe(policy.heartbeatTimeoutMs);
  });

  it('when a trial runs, looks at once and then each time the poll is due', () => {
    const watched = new Watched();
    watched.startTrial();
    expect(watched.look()).toEqual([]);
    expect(watched.look()).toEqual([]);
    expect(watched.nowMs).toBe(policy.memoryPollMs);
    expect(nextDueMs(watched.state)).toBe(2 * policy.memoryPollMs);
  });

  it('when a trial is over its memory, tells the child first and kills it, though the child is silent', () => {
    const watched = new Watched();
    watched.startTrial();
    watched.look();
    watched.trialBytes = 1_001;
    expect(watched.look()).toEqual(kills('memory-limit'));
    expect(watched.nowMs).toBeLessThan(policy.heartbeatTimeoutMs);
    expect(watched.state.trials).toEqual([]);
  });

  it('when a trial is exactly at its limit, lets it live', () => {
    const watched = new Watched();
    watched.startTrial();
    watched.trialBytes = 1_000;
    expect(watched.look()).toEqual([]);
    expect(watched.state.trials).toHaveLength(1);
  });

  it('when a load or a long call passes its deadline, kills the trial for that', () => {
    const watched = new Watched();
    watched.startTrial(150);
    expect([watched.look(), watched.look(), watched.look()]).toEqual([
      [],
      [],
      kills('inference-timeout'),
    ]);
  });

  it('when what took long has ended, its deadline is over too', () => {
    const watched = new Watched();
    watched.startTrial(150);
    watched.look();
    watched.happen({ kind: 'child-spoke', message: { kind: 'trial-due', trial } });
    for (let look = 0; look < 10; look += 1) expect(watched.look()).toEqual([]);
    watched.happen({ kind: 'child-spoke', message: { kind: 'trial-due', trial, dueInMs: 50 } });
    expect(watched.look()).toEqual(kills('inference-timeout'));
  });

  it('when the supervisor itself stood still, judges no deadline before it has read what came meanwhile', () => {
    const watched = new Watched();
    watched.startTrial(150);
    watched.look();
    watched.nowMs += policy.ownLatenessMs + 1_000;
    expect(watched.look()).toEqual([]);
    watched.happen({ kind: 'child-spoke', message: { kind: 'trial-due', trial } });
    expect(watched.look()).toEqual([]);
  });

  it('when a trial has gone without a word of its parent, forgets it and looks no more', () => {
    const watched = new Watched();
    watched.startTrial();
    watched.trialBytes = undefined;
    expect(watched.look()).toEqual([]);
    expect(watched.state.trials).toEqual([]);
    watched.beat();
    expect(nextDueMs(watched.state)).toBe(watched.nowMs + policy.heartbeatTimeoutMs);
  });

  it('when a trial starts while a look is under way, it is not forgotten by that look', () => {
    const watched = new Watched();
    watched.startTrial();
    watched.nowMs = nextDueMs(watched.state);
    watched.happen({ kind: 'time-passed' });
    const late = { pid: 300, birth: '9' };
    const message = { kind: 'trial-started', trial: late, memoryBytesMax: 1, dueInMs: 1 } as const;
    watched.happen({ kind: 'child-spoke', message });
    const trials = [{ trial, residentBytes: 1 }];
    watched.happen({ kind: 'memory-read', reading: { trials, childBytes: undefined } });
    expect(watched.state.trials.map((one) => one.trial)).toEqual([trial, late]);
  });
});

describe('the guard over the whole child', () => {
  const guarded = (): Watched => {
    const watched = new Watched();
    const message = { kind: 'guard-memory', bytesMax: 1_000 } as const;
    watched.happen({ kind: 'child-spoke', message });
    return watched;
  };
  const sigkill: SupervisionEffect = { kind: 'signal-child', signal: 'SIGKILL' };
  const warning: SupervisionEffect = { kind: 'tell-child', message: { kind: 'memory-exceeded' } };

  it('when the child is over its limit, warns it once, and kills it when its grace is over', () => {
    const watched = guarded();
    expect(watched.look()).toEqual([]);
    watched.childBytes = 1_001;
    expect(watched.look()).toEqual([warning]);
    const warnedAtMs = watched.nowMs;
    let effects: readonly SupervisionEffect[] = [];
    while (effects.length === 0) effects = watched.look();
    expect(effects).toEqual([sigkill]);
    expect(watched.nowMs).toBe(warnedAtMs + policy.memoryGraceMs);
    const exit = watched.happen({ kind: 'child-exited', code: null, signal: 'SIGKILL' });
    const [written] = exit.flatMap((effect) => (effect.kind === 'write-exit' ? effect.exit : []));
    expect(written).toMatchObject({ reason: 'memory-limit', crashesInWindow: 1 });
    expect(written).not.toHaveProperty('slot');
    expect(written && previousExitOf(previousExitText(written))).toEqual(written);
  });

  it('when it names the leaking model and asks itself, hands that on', () => {
    const watched = guarded();
    watched.childBytes = 1_001;
    watched.look();
    const message = { kind: 'kill-me', slot: 'vad', code: 'memory-limit' } as const;
    expect(watched.happen({ kind: 'child-spoke', message })).toEqual([sigkill]);
    const exit = watched.happen({ kind: 'child-exited', code: null, signal: 'SIGKILL' });
    expect(exit[0]).toMatchObject({
      exit: { reason: 'memory-limit', slot: 'vad', blame: 'memory-limit' },
    });
  });

  it('when it grows so fast that the grace would cost the machine, kills it at once', () => {
    const watched = guarded();
    watched.childBytes = 1_251;
    expect(watched.look()).toEqual([warning, sigkill]);
  });

  it('when it comes back below its limit, begins anew', () => {
    const watched = guarded();
    watched.childBytes = 1_001;
    watched.look();
    watched.childBytes = 900;
    expect(watched.look()).toEqual([]);
    watched.childBytes = 1_001;
    expect(watched.look()).toEqual([warning]);
  });
});

describe('supervisorMessageOf', () => {
  it('when the word is one of the two, returns it, and nothing else', () => {
    const killed = { kind: 'trial-killed', trial, reason: 'memory-limit' };
    expect(supervisorMessageOf({ ...killed, more: 1 })).toEqual(killed);
    expect(supervisorMessageOf({ kind: 'memory-exceeded', more: 1 })).toEqual({
      kind: 'memory-exceeded',
    });
    const foreign = [
      undefined,
      7,
      {},
      { ...killed, reason: 'x' },
      { ...killed, trial: { pid: 1 } },
    ];
    for (const value of foreign) expect(supervisorMessageOf(value)).toBeUndefined();
  });
});
