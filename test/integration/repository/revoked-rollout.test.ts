import { expect, test } from 'vitest';
import type { ImageRepository } from '../../../fleet-server/runner/image-repository.ts';
import { stateOf } from '../../../fleet-server/runner/rollout/rollout-book.ts';
import type { DeviceId, Digest } from '../../../shared/core/ids.ts';
import { learningFleet } from '../../../sim/scenarios/learning-fleet.ts';
import { expectOk } from '../../../sim/scenarios/learning-server.ts';
import { smokeFleet as fleet, SmokeFleet } from '../../../sim/scenarios/smoke-fleet.ts';
import { smokeRepository } from '../../../sim/scenarios/smoke-origin.ts';
import { startRollout } from '../../../sim/scenarios/smoke-world.ts';

const seed = 'revoked rollout';

/** The operator's next targets file, in which a digest is revoked and nothing else changes. */
async function revoke(world: SmokeFleet, repository: ImageRepository, digest: Digest) {
  const next = smokeRepository(world.bundles, seed, {
    version: 2,
    revoked: [{ digest, reason: 'bad-blob', then: 'stop' }],
  });
  for (const [name, bytes] of next.fixed) expectOk(await repository.putFixedTarget(name, bytes));
  expectOk(await repository.publishMetadata({ ...next.targets, actor: 'operator' }));
}

test('when a blob of what is rolled out is revoked, the rollout aborts and its devices stop', async () => {
  const learning = learningFleet();
  const world = new SmokeFleet(seed, [], { learning });
  await world.open(2);
  const { bundle } = learning.devices;
  const rollout = await world.loop.runUntil(
    startRollout(world, bundle, {
      ...{ waves: [{ percent: 100 }], holdback: { count: 0 } },
      ...{ soakMs: 3_600_000, deadlineMs: 3_600_000 },
    }),
  );
  await world.loop.runFor(10_000);
  const edge = 'edge-0' as DeviceId;
  expect(world.runningOf(edge)).toBe(bundle.digest);
  const tensor = bundle.config.variants[0]?.tensors[0]?.digest as Digest;
  await world.loop.runUntil(revoke(world, learning.server.rooms.repository, tensor));
  world.server.wake();
  await world.loop.runFor(60_000);
  const row = await world.loop.runUntil(
    world.store.read((view) => view.rollouts.get(fleet, rollout)),
  );
  expect(row === null ? null : stateOf(row)).toMatchObject({
    kind: 'aborted',
    code: 'digest-revoked',
  });
  expect(world.runningOf(edge)).toBeUndefined();
  await world.stop();
});
