import { describe, expect, it } from 'vitest';
import { childMessageOf } from './child-message.ts';

describe('childMessageOf', () => {
  it('when a message is one of the known ones, returns it without extras', () => {
    const trial = { pid: 42, birth: '7' };
    expect(childMessageOf({ kind: 'heartbeat', more: 1 })).toEqual({ kind: 'heartbeat' });
    expect(childMessageOf({ kind: 'trial-ended', trial: { ...trial, more: 1 } })).toEqual({
      kind: 'trial-ended',
      trial,
    });
    const started = { kind: 'trial-started', trial, memoryBytesMax: 5, dueInMs: 6 };
    expect(childMessageOf({ ...started, more: 1 })).toEqual(started);
    const due = { kind: 'trial-due', trial };
    expect(childMessageOf({ ...due, dueInMs: 'soon' })).toEqual(due);
    expect(childMessageOf({ ...due, dueInMs: 7 })).toEqual({ ...due, dueInMs: 7 });
    const guard = { kind: 'guard-memory', bytesMax: 9 };
    expect(childMessageOf({ ...guard, more: 1 })).toEqual(guard);
    expect(childMessageOf({ kind: 'kill-me', slot: 'a'.repeat(999), code: 7 })).toEqual({
      kind: 'kill-me',
      slot: 'a'.repeat(256),
      code: '',
    });
  });

  it('when a pid would name a group, init or nobody, refuses the message', () => {
    for (const pid of [0, 1, -1, 1.5, Number.NaN, '42', undefined]) {
      const terms = { memoryBytesMax: 5, dueInMs: 6 };
      const message = { kind: 'trial-started', trial: { pid, birth: '7' }, ...terms };
      expect(childMessageOf(message)).toBeUndefined();
    }
    expect(childMessageOf({ kind: 'trial-started', trial: { pid: 42 } })).toBeUndefined();
  });

  it('when a limit is no number, refuses the message', () => {
    for (const bytes of [-1, Number.NaN, '9', undefined, null]) {
      expect(childMessageOf({ kind: 'guard-memory', bytesMax: bytes })).toBeUndefined();
      const started = { kind: 'trial-started', trial: { pid: 42, birth: '7' }, dueInMs: 1 };
      expect(childMessageOf({ ...started, memoryBytesMax: bytes })).toBeUndefined();
    }
  });

  it('when the value is anything else, ignores it', () => {
    for (const value of [undefined, null, 7, 'heartbeat', {}, { kind: 'other' }]) {
      expect(childMessageOf(value)).toBeUndefined();
    }
  });
});
