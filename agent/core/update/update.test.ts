import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import type { AppName, Digest, TargetPath } from '../../../shared/core/ids.ts';
import { compactUpdate } from './compact-update.ts';
import { decideSteps, type Step } from './decide-steps.ts';
import type { Slot, Target } from './slot.ts';
import { stepUpdate } from './step-update.ts';
import type { UpdateEvent } from './update-event.ts';
import { initialUpdateState, type UpdateState } from './update-state.ts';

const app = 'filetype' as AppName;
const digestOf = (letter: string): Digest => `sha256:${letter.repeat(64)}` as Digest;
const probation = { inferences: 10, durationMs: 1000 };

const target = (letter: string, generation: number, retry = 0): Target => ({
  app,
  path: `bundles/filetype@1.0.${letter.charCodeAt(0)}` as TargetPath,
  digest: digestOf(letter),
  retry,
  rollout: undefined,
  directorVersion: 1,
  generation,
});

/** A device in miniature: performs every step at once, with verdicts by digest. */
class Device {
  state: UpdateState = initialUpdateState;
  nowMs = 0;
  trustedNowMs: number | undefined = 1;
  readonly journal: UpdateEvent[] = [];
  readonly activations = new Map<string, number>();
  readonly fails = new Map<Digest, 'self-test' | 'crash'>();

  want(wanted: Target, revoked: readonly Digest[] = []): void {
    this.record({
      kind: 'desired-accepted',
      seen: { directorVersion: wanted.directorVersion, generation: wanted.generation },
      expiresAtMs: 1_000_000,
      targets: [wanted],
      revoked,
    });
  }

  record(event: UpdateEvent): void {
    this.journal.push(event);
    this.feed(event);
  }

  feed(event: UpdateEvent): void {
    this.state = stepUpdate(this.state, event, { monotonicMs: this.nowMs });
  }

  reboot(): void {
    this.state = this.journal.reduce(
      (state, event) => stepUpdate(state, event, { monotonicMs: this.nowMs }),
      initialUpdateState,
    );
    this.feed({ kind: 'booted' });
  }

  next(): Step | undefined {
    return decideSteps(this.state, { monotonicMs: this.nowMs, trustedNowMs: this.trustedNowMs })[0]
      ?.step;
  }

  /** Runs until nothing is left to do, at most 100 steps. */
  run(): void {
    for (let i = 0; i < 100; i += 1) {
      const step = this.next();
      if (step === undefined) return;
      this.perform(step);
    }
    throw new Error('does not settle');
  }

  perform(step: Step): void {
    switch (step.kind) {
      case 'record':
        this.record(step.event);
        if (step.event.kind === 'activation-begun') {
          const key = `${step.event.target.digest}/${step.event.target.generation}`;
          this.activations.set(key, (this.activations.get(key) ?? 0) + 1);
        }
        return;
      case 'fetch-bundle': {
        this.feed({ kind: 'bundle-fetched', app, digest: step.target.digest });
        return;
      }
      case 'verify-bundle': {
        this.feed({ kind: 'bundle-verified', app, digest: step.target.digest });
        return;
      }
      case 'stage-slot': {
        this.feed({ kind: 'slot-staged', app, digest: step.target.digest });
        return;
      }
      case 'self-test': {
        if (this.fails.get(step.target.digest) === 'self-test') {
          const reason = 'golden-mismatch';
          this.record({ kind: 'verdict-reached', app, slot: slotOf(step.target), reason });
        } else {
          this.feed({ kind: 'self-test-passed', app, digest: step.target.digest });
        }
        return;
      }
      case 'activate':
        this.feed({ kind: 'activated', app, slot: step.slot, host: step.host, probation });
        if (step.host === 'process' && this.fails.get(step.slot.digest) === 'crash') {
          this.feed({ kind: 'session-lost', app, digest: step.slot.digest });
        }
        return;
      case 'stop': {
        const digest = this.running();
        if (digest !== undefined) this.feed({ kind: 'session-lost', app, digest });
      }
    }
  }

  prove(): void {
    const digest = this.running();
    if (digest !== undefined) this.feed({ kind: 'inferences-counted', app, digest, count: 10 });
    this.nowMs += 1000;
    this.run();
  }

  running(): Digest | undefined {
    return this.state.apps.get(app)?.running?.slot.digest;
  }

  install(wanted: Target): void {
    this.want(wanted);
    this.run();
    this.prove();
  }
}

/** One thing that may happen to a device; `generation` rises with each. */
function actOut(device: Device, name: string, generation: number): void {
  const letter = 'abcdef'.charAt(generation % 6);
  const running = device.running();
  device.fails.clear();
  if (name === 'bad') device.fails.set(digestOf(letter), 'self-test');
  if (name === 'crash') device.fails.set(digestOf(letter), 'crash');
  switch (name) {
    case 'back': {
      device.install(target('a', generation));
      return;
    }
    case 'withdraw': {
      const seen = { directorVersion: 1, generation };
      device.record({
        kind: 'desired-accepted',
        seen,
        expiresAtMs: 1_000_000,
        targets: [],
        revoked: [],
      });
      device.run();
      return;
    }
    case 'judge':
      if (running === undefined) return;
      device.record({
        kind: 'verdict-reached',
        app,
        slot: slotWith(running),
        reason: 'error-rate',
      });
      {
        device.run();
        return;
      }
    case 'revoke':
      device.record({ kind: 'revocations-learned', revoked: [digestOf(letter)] });
      {
        device.run();
        return;
      }
    case 'partly':
      device.want(target(letter, generation));
      {
        device.run();
        return;
      }
    default: {
      device.install(target(letter, generation));
      return;
    }
  }
}

const slotWith = (digest: Digest): Slot => ({ ...slotOf(target('a', 0)), digest });

const slotOf = ({ path, digest, retry }: Target): Slot => ({ path, digest, retry });

describe('the device update machine', () => {
  it('commits a good bundle only after its probation on live inputs', () => {
    const device = new Device();
    device.want(target('a', 1));
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    expect(device.state.apps.get(app)?.held).toEqual([]);
    device.nowMs += 1_000_000;
    device.run();
    expect(device.state.apps.get(app)?.held).toEqual([]); // time alone proves nothing
    device.prove();
    expect(device.state.apps.get(app)?.held.map((slot) => slot.digest)).toEqual([digestOf('a')]);
    expect(device.state.apps.get(app)?.running?.host).toBe('worker');
  });

  it('goes back to last-good, without time or network, when the self-test fails', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.fails.set(digestOf('b'), 'self-test');
    device.want(target('b', 2));
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    expect(device.state.apps.get(app)?.outcome).toMatchObject({
      kind: 'reverted',
      reason: 'golden-mismatch',
    });
  });

  it('judges a crash loop after the bounded number of activations', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.fails.set(digestOf('b'), 'crash');
    device.want(target('b', 2));
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    expect(device.state.apps.get(app)?.outcome).toMatchObject({ reason: 'crash-loop' });
    expect(device.activations.get(`${digestOf('b')}/2`)).toBe(limits.activationsMax);
  });

  it('does not try a judged digest again under a new generation, but does under a higher retry', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.fails.set(digestOf('b'), 'self-test');
    device.want(target('b', 2));
    device.run();
    device.want(target('b', 3));
    expect(device.next()).toBeUndefined();
    device.fails.clear();
    device.install(target('b', 4, 1));
    expect(device.running()).toBe(digestOf('b'));
  });

  it('starts no install without trusted time, yet goes back to a held bundle', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.install(target('b', 2));
    device.trustedNowMs = undefined;
    device.want(target('c', 3));
    expect(device.next()).toBeUndefined();
    device.want(target('a', 4));
    device.run();
    expect(device.running()).toBe(digestOf('a'));
  });

  it('starts no install from an expired order', () => {
    const device = new Device();
    device.trustedNowMs = 2_000_000;
    device.want(target('a', 1));
    expect(device.next()).toBeUndefined();
  });

  it('stops a revoked bundle and has no model when nothing older is held', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.record({ kind: 'revocations-learned', revoked: [digestOf('a')] });
    device.run();
    expect(device.running()).toBeUndefined();
    device.reboot();
    device.run();
    expect(device.running()).toBeUndefined();
  });

  it('reverts a committed bundle whose guard trips later, and calls it regressed', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.install(target('b', 2));
    device.record({
      kind: 'verdict-reached',
      app,
      slot: slotOf(target('b', 2)),
      reason: 'error-rate',
    });
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    expect(device.state.apps.get(app)?.outcome).toMatchObject({ regressed: true });
  });

  it('stops an app that the newest order no longer names, keeps its slot, and comes back without network', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.record({
      kind: 'desired-accepted',
      seen: { directorVersion: 1, generation: 2 },
      expiresAtMs: 0,
      targets: [],
      revoked: [],
    });
    device.run();
    expect(device.running()).toBeUndefined();
    device.trustedNowMs = undefined;
    device.want(target('a', 3));
    device.run();
    expect(device.running()).toBe(digestOf('a'));
  });

  it('never lets the release it was ordered back from answer again while the next one is tried', () => {
    const device = new Device();
    for (const [generation, letter] of ['a', 'b', 'c', 'b'].entries()) {
      device.install(target(letter, generation + 1));
    }
    expect(device.running()).toBe(digestOf('b'));
    device.fails.set(digestOf('d'), 'self-test');
    device.want(target('d', 5));
    const seen = new Set<Digest | undefined>();
    for (let step = device.next(); step !== undefined; step = device.next()) {
      seen.add(device.running());
      device.perform(step);
    }
    seen.add(device.running());
    expect([...seen]).toEqual([digestOf('b')]);
    device.reboot();
    device.run();
    expect(device.running()).toBe(digestOf('b'));
    expect(device.state.apps.get(app)?.held.map(({ digest }) => digest)).toEqual(
      ['b', 'a', 'c'].map(digestOf),
    );
  });

  it('decides the same after its history was compacted', () => {
    const act = fc.constantFrom(
      'good',
      'bad',
      'crash',
      'back',
      'withdraw',
      'judge',
      'revoke',
      'partly',
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 10 }), (acts) => {
        const device = new Device();
        acts.forEach((name, i) => actOut(device, name, i + 1));
        const compacted = new Device();
        compacted.nowMs = device.nowMs;
        for (const event of compactUpdate(device.state)) compacted.record(event);
        device.reboot();
        compacted.reboot();
        const context = { monotonicMs: device.nowMs, trustedNowMs: 1 };
        // An app that holds nothing and is not wanted may be forgotten.
        const decided = ({ state }: Device) =>
          decideSteps(state, context).filter(({ rest }) => rest?.kind !== 'no-model');
        expect(decided(compacted)).toEqual(decided(device));
        expect(compacted.state.refusals).toEqual(device.state.refusals);
        expect(compacted.state.seen).toEqual(device.state.seen);
      }),
    );
  });

  it('counts activations over power cuts at any step and always ends with a model', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 12 }), { maxLength: 12 }),
        fc.boolean(),
        (cuts, crashes) => {
          const device = new Device();
          device.install(target('a', 1));
          if (crashes) device.fails.set(digestOf('b'), 'crash');
          device.want(target('b', 2));
          for (const steps of cuts) {
            for (let i = 0; i < steps; i += 1) {
              const step = device.next();
              if (step !== undefined) device.perform(step);
            }
            device.reboot();
          }
          device.run();
          device.prove();
          expect(device.activations.get(`${digestOf('b')}/2`) ?? 0).toBeLessThanOrEqual(
            limits.activationsMax,
          );
          expect(device.running()).toBeDefined();
        },
      ),
    );
  });
});
