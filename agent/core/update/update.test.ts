import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import {
  app,
  MiniatureDevice as Device,
  digestOf,
  slotOf,
  target,
} from '../../../test/support/miniature-device.ts';
import { compactUpdate } from './compact-update.ts';
import { decideSteps } from './decide-steps.ts';
import type { Slot } from './slot.ts';

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
        // With default answers everywhere, what a withdrawal forgot of its time would show.
        const everything = new Set(['a', 'b', 'c', 'd', 'e', 'f'].map(digestOf));
        for (const one of [device, compacted]) {
          one.defaults = everything;
          one.run();
        }
        const context = { monotonicMs: device.nowMs, trustedNowMs: 1, stale: new Set<Digest>() };
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
