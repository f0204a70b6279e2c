import { describe, expect, it } from 'vitest';
import { runSmokeWorld } from './smoke-world.ts';

describe('the smoke world', () => {
  it('rolls out a good bundle, takes back a bad one, and does it all again to the last byte', async () => {
    const first = await runSmokeWorld('smoke');
    expect(first.rollouts.map(({ kind }) => kind)).toEqual(['completed', 'aborted']);
    expect([...first.running.values()]).toEqual(Array(6).fill('1.0.0'));
    expect(first.windowsCounted).toBeGreaterThan(100);
    // Before the first commit there is no model; the bad one throws until each device has taken it back.
    expect([...first.outcomes.keys()].sort()).toEqual(['inference-failed', 'no-model', 'ok']);
    const second = await runSmokeWorld('smoke');
    expect(second.traceHash).toBe(first.traceHash);
    expect(second.outcomes).toEqual(first.outcomes);
    const other = await runSmokeWorld('another');
    expect(other.traceHash).not.toBe(first.traceHash);
  });
});
