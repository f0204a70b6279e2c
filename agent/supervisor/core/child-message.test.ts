import { describe, expect, it } from 'vitest';
import { childMessageOf } from './child-message.ts';

describe('childMessageOf', () => {
  it('when a message is one of the four, returns it without extras', () => {
    const trial = { pid: 42, birth: '7' };
    expect(childMessageOf({ kind: 'heartbeat', more: 1 })).toEqual({ kind: 'heartbeat' });
    expect(childMessageOf({ kind: 'trial-ended', trial: { ...trial, more: 1 } })).toEqual({
      kind: 'trial-ended',
      trial,
    });
    expect(childMessageOf({ kind: 'kill-me', slot: 'a'.repeat(999), code: 7 })).toEqual({
      kind: 'kill-me',
      slot: 'a'.repeat(256),
      code: '',
    });
  });

  it('when a pid would name a group, init or nobody, refuses the message', () => {
    for (const pid of [0, 1, -1, 1.5, Number.NaN, '42', undefined]) {
      const message = { kind: 'trial-started', trial: { pid, birth: '7' } };
      expect(childMessageOf(message)).toBeUndefined();
    }
    expect(childMessageOf({ kind: 'trial-started', trial: { pid: 42 } })).toBeUndefined();
  });

  it('when the value is anything else, ignores it', () => {
    for (const value of [undefined, null, 7, 'heartbeat', {}, { kind: 'other' }]) {
      expect(childMessageOf(value)).toBeUndefined();
    }
  });
});
