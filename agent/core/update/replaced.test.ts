import { describe, expect, it } from 'vitest';
import {
  app,
  MiniatureDevice as Device,
  digestOf,
  target,
} from '../../../test/support/miniature-device.ts';
import { compactUpdate } from './compact-update.ts';

/** A device that runs `a`, which must be replaced from now on. */
function withReplaced(): Device {
  const device = new Device();
  device.install(target('a', 1));
  device.record({ kind: 'revocations-learned', revoked: [], replaced: [digestOf('a')] });
  device.run();
  return device;
}

describe('a bundle that must be replaced', () => {
  it('goes on where it runs, and after a restart, until another one has committed', () => {
    const device = withReplaced();
    expect(device.running()).toBe(digestOf('a'));
    expect(device.decision()?.rest).toEqual({ kind: 'settled' });
    device.reboot();
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    device.want(target('b', 2));
    device.run();
    device.prove();
    device.run();
    expect(device.running()).toBe(digestOf('b'));
  });

  it('is what a failed replacement falls back to, because nothing has replaced it yet', () => {
    const device = withReplaced();
    device.want(target('b', 2));
    device.run();
    expect(device.running()).toBe(digestOf('b'));
    const { path, digest, retry } = target('b', 2);
    const slot = { path, digest, retry };
    device.record({ kind: 'verdict-reached', app, slot, reason: 'error-rate' });
    device.run();
    expect(device.running()).toBe(digestOf('a'));
  });

  it('is neither gone back to by order nor fallen back to, once it was replaced', () => {
    const device = withReplaced();
    device.install(target('b', 2));
    device.want(target('a', 3));
    device.run();
    expect(device.running()).toBe(digestOf('b'));
    expect(device.decision()?.rest).toMatchObject({ kind: 'refused', reason: 'revoked' });
    device.record({ kind: 'revocations-learned', revoked: [digestOf('b')] });
    device.run();
    expect(device.running()).toBeUndefined();
    device.reboot();
    device.run();
    expect(device.running()).toBeUndefined();
  });

  it('is not installed where it is not yet, and a trial of it ends', () => {
    const device = new Device();
    device.install(target('a', 1));
    device.record({ kind: 'revocations-learned', revoked: [], replaced: [digestOf('b')] });
    device.want(target('b', 2));
    device.run();
    expect(device.state.apps.get(app)?.attempt).toBeUndefined();
    expect(device.decision()?.rest).toMatchObject({ kind: 'refused', reason: 'revoked' });
    device.want(target('c', 3));
    device.run();
    expect(device.running()).toBe(digestOf('c'));
    device.record({ kind: 'revocations-learned', revoked: [], replaced: [digestOf('c')] });
    device.run();
    expect(device.running()).toBe(digestOf('a'));
    expect(device.state.apps.get(app)?.outcome).toMatchObject({ reason: 'revoked' });
  });

  it('is remembered by a compacted journal, and so is what must be replaced but is not here', () => {
    const device = withReplaced();
    device.record({ kind: 'revocations-learned', revoked: [], replaced: [digestOf('z')] });
    const compacted = new Device();
    for (const event of compactUpdate(device.state)) compacted.record(event);
    compacted.reboot();
    compacted.run();
    expect(compacted.state.replaced).toEqual(device.state.replaced);
    expect(compacted.running()).toBe(digestOf('a'));
    compacted.want(target('z', 2));
    compacted.run();
    expect(compacted.running()).toBe(digestOf('a'));
  });

  it('stops at once where the entry hardens', () => {
    const device = withReplaced();
    device.record({ kind: 'revocations-learned', revoked: [digestOf('a')], replaced: [] });
    device.run();
    expect(device.running()).toBeUndefined();
  });
});
