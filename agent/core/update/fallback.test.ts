import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../shared/core/ids.ts';
import {
  app,
  MiniatureDevice as Device,
  digestOf,
  slotOf,
  target,
} from '../../../test/support/miniature-device.ts';
import { compactUpdate } from './compact-update.ts';

describe('what answers when the wanted bundle may not', () => {
  it('leaves a bundle that is stale for last-good, and comes back to it by itself with fresh metadata', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.install(target('b', 2));
    device.stale = new Set([digestOf('b')]);
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    expect(device.decision()?.rest).toMatchObject({ kind: 'refused', reason: 'metadata-stale' });
    device.reboot();
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    device.stale = new Set();
    device.run();
    expect(device.running()).toBe(digestOf('b'));
    expect(device.decision()?.rest).toEqual({ kind: 'settled' });
    expect(device.state.refusals).toEqual([]);
  });

  it('has no model and says why when all it holds is stale, and runs again with fresh metadata', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.stale = new Set([digestOf('a')]);
    device.run();
    expect(device.running()).toBeUndefined();
    expect(device.decision()?.rest).toEqual({ kind: 'no-model', reason: 'metadata-stale' });
    device.stale = new Set();
    device.run();
    expect(device.running()).toBe(digestOf('a'));
  });

  it('pauses a trial that becomes stale without judging it, and counts the activation it comes back by', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.want(target('b', 2));
    device.run();
    expect(device.running()).toBe(digestOf('b'));
    device.stale = new Set([digestOf('b')]);
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    expect(device.state.apps.get(app)?.attempt?.phase).toBe('probation');
    expect(device.decision()?.rest).toMatchObject({ reason: 'metadata-stale' });
    device.stale = new Set();
    device.run();
    expect(device.running()).toBe(digestOf('b'));
    expect(device.activations.get(`${digestOf('b')}/2`)).toBe(2);
    device.prove();
    expect(device.state.apps.get(app)?.held[0]?.digest).toBe(digestOf('b'));
  });

  it('stops a running bundle that is stale even while its rotten bytes are fetched again', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.record({ kind: 'slot-damaged', app, digest: digestOf('a') });
    device.stale = new Set([digestOf('a')]);
    device.trustedNowMs = undefined;
    device.run();
    expect(device.running()).toBeUndefined();
  });

  it('gives the default answer of the bundle that would run first, when none may, until a model may', () => {
    const device = new Device();
    for (const [place, letter] of ['a', 'b', 'c'].entries()) {
      device.install(target(letter, place + 1));
    }
    device.defaults = new Set([digestOf('a'), digestOf('b')]);
    device.record({ kind: 'revocations-learned', revoked: [digestOf('c')] });
    device.record({
      kind: 'verdict-reached',
      app,
      slot: slotOf(target('b', 2)),
      reason: 'error-share-exceeded',
    });
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    device.stale = new Set([digestOf('a')]);
    device.run();
    expect(device.running()).toBeUndefined();
    // The wanted one has none, the next one has; the reason is about what was wanted.
    expect(device.decision()?.rest).toMatchObject({
      ...{ kind: 'default-answer', reason: 'revoked', slot: { digest: digestOf('b') } },
    });
    device.reboot();
    device.run();
    expect(device.decision()?.rest).toMatchObject({ kind: 'default-answer' });
    device.stale = new Set();
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    expect(device.state.apps.get(app)?.standIn).toBeUndefined();
  });

  it('gives the default answer while the next bundle is on its way, and never counts it as that one', () => {
    const device = new Device();
    device.defaults = new Set([digestOf('a'), digestOf('b')]);
    device.install(target('a', 1));
    device.record({ kind: 'revocations-learned', revoked: [digestOf('a')] });
    device.run();
    device.fails.set(digestOf('b'), 'crash');
    device.want(target('b', 2));
    device.run();
    expect(device.running()).toBeUndefined();
    expect(device.state.apps.get(app)?.held.map(({ digest }) => digest)).toEqual([digestOf('a')]);
    expect(device.state.apps.get(app)?.outcome).toMatchObject({ reason: 'crash-loop' });
    expect(device.decision()?.rest).toMatchObject({
      ...{ kind: 'default-answer', reason: 'crash-loop', slot: { digest: digestOf('a') } },
    });
  });

  it('keeps the default answer when the order is taken back after the bundle was forbidden, and only then', () => {
    const withdrawal = (generation: number, revoked: readonly Digest[] = []) => ({
      ...{ kind: 'desired-accepted' as const, seen: { directorVersion: 1, generation } },
      ...{ expiresAtMs: 0, targets: [], revoked },
    });
    const device = new Device();
    device.defaults = new Set([digestOf('a')]);
    device.install(target('a', 1));
    device.record(withdrawal(2, [digestOf('a')]));
    for (const boot of [1, 2]) {
      device.run();
      expect(device.decision()?.rest, `boot ${boot}`).toMatchObject({
        ...{ kind: 'default-answer', reason: 'revoked' },
      });
      device.record(withdrawal(2 + boot));
      device.reboot();
    }
    const silenced = new Device();
    silenced.defaults = new Set([digestOf('a')]);
    silenced.install(target('a', 1));
    silenced.record(withdrawal(2));
    silenced.record({ kind: 'revocations-learned', revoked: [digestOf('a')] });
    silenced.record(withdrawal(3));
    silenced.run();
    expect(silenced.decision()?.rest).toEqual({ kind: 'no-model', reason: 'withdrawn' });
    // A compacted journal names what is revoked in one list, and must not forget what came first.
    for (const one of [device, silenced]) {
      one.run();
      const compacted = new Device();
      compacted.defaults = one.defaults;
      for (const event of compactUpdate(one.state)) compacted.record(event);
      compacted.reboot();
      compacted.run();
      expect(compacted.decision()?.rest).toEqual(one.decision()?.rest);
    }
  });
});
