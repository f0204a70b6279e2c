import { expect, test } from 'vitest';
import { runSwarm } from './swarm-run.ts';

test('when a seed draws faults, no promise is broken, all of it ends, and a second run is the same to the byte', async () => {
  const asked = { seed: '12', devices: 4, hours: 1 };
  const first = await runSwarm(asked);
  expect(first.violations).toEqual([]);
  expect(first.unfinished).toEqual([]);
  expect(Object.values(first.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(3);
  expect(first.rollouts.map(({ bundle }) => bundle)).toEqual(['smoke@1.0.0', 'smoke@2.0.0']);
  const second = await runSwarm(asked);
  expect(second).toEqual(first);
}, 240_000);
