import { describe, expect, it } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import { ControlMemo } from './control-memo.ts';

describe('ControlMemo', () => {
  it('when an answer is young, gives it; when it is too old, knows nothing', () => {
    const memo = new ControlMemo();
    memo.set('rol-1 edge-1', { isControl: true, nowMs: 1_000 });
    memo.set('rol-1 edge-2', { isControl: false, nowMs: 1_000 });
    expect(memo.get('rol-1 edge-1', 1_001)).toBe(true);
    expect(memo.get('rol-1 edge-2', 1_001)).toBe(false);
    expect(memo.get('rol-1 edge-1', 1_000 + limits.controlMemoMs)).toBeUndefined();
    expect(memo.get('rol-2 edge-1', 1_001)).toBeUndefined();
  });

  it('when it is full, forgets the oldest answer', () => {
    const memo = new ControlMemo();
    for (let at = 0; at <= limits.controlMemoMax; at += 1) {
      memo.set(`rol-1 edge-${at}`, { isControl: true, nowMs: 0 });
    }
    expect(memo.get('rol-1 edge-0', 1)).toBeUndefined();
    expect(memo.get(`rol-1 edge-${limits.controlMemoMax}`, 1)).toBe(true);
  });
});
