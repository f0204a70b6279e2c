import { expect, test } from 'vitest';
import { limits } from '../../shared/contracts/limits.ts';
import { decideIsolation } from './decide-isolation.ts';

test('when nothing ended badly, the asked host stands', () => {
  expect(decideIsolation('worker', undefined)).toBe('worker');
  expect(decideIsolation('process', undefined)).toBe('process');
  expect(decideIsolation('worker', { reason: 'clean', crashesInWindow: 9 })).toBe('worker');
});

test('when the agent crashed once, it is forgiven; from the second on each model is alone', () => {
  for (const reason of ['crash', 'killed', 'heartbeat-missed']) {
    const at = limits.crashesToIsolate;
    expect(decideIsolation('worker', { reason, crashesInWindow: at - 1 })).toBe('worker');
    expect(decideIsolation('worker', { reason, crashesInWindow: at })).toBe('process');
  }
});

test('when a slot was named for a hang, its verdict stands already and nothing is isolated', () => {
  expect(decideIsolation('worker', { reason: 'hang', crashesInWindow: 9 })).toBe('worker');
});

test('when the whole process held too much memory, each model is alone at once; a named one has its verdict', () => {
  const previous = { reason: 'memory-limit', crashesInWindow: 1 };
  expect(decideIsolation('worker', previous)).toBe('process');
  expect(decideIsolation('worker', { ...previous, slot: 'bundles/vad@1.0.0' })).toBe('worker');
});
