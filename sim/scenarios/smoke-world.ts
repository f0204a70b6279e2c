import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import type { RolloutState } from '../../fleet-server/core/rollout/rollout-state.ts';
import { stateOf } from '../../fleet-server/runner/rollout/rollout-book.ts';
import type { RolloutRequest } from '../../shared/contracts/rollout.ts';
import type { DeviceId, RolloutId, TargetPath } from '../../shared/core/ids.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { smokeApp } from './smoke-bundles.ts';
import { smokeFleet as fleet, SmokeFleet } from './smoke-fleet.ts';
import { traceHashOf } from './trace-hash.ts';

const person = { kind: 'person', name: 'operator' } as const;
const secondMs = 1_000;

export interface SmokeResult {
  /** Hash over everything the server has written and every device keeps. */
  readonly traceHash: string;
  readonly rollouts: readonly RolloutState[];
  /** Version that answers, by device. */
  readonly running: ReadonlyMap<DeviceId, string>;
  readonly windowsCounted: number;
  /** How the inputs of all devices ended: `ok`, or the code. */
  readonly outcomes: ReadonlyMap<string, number>;
}

/**
 * The whole journey: server and agents, cores and runners, unchanged. v1 goes to everybody by wave;
 * v2 passes its golden
 * vectors, sours on live input, is taken back by the devices themselves and aborted by the server.
 */
export async function runSmokeWorld(seed: string, devices = 6): Promise<SmokeResult> {
  const world = new SmokeFleet(seed, [
    { version: '1.0.0' },
    { version: '2.0.0', sourAfterRuns: 4 },
  ]);
  await world.open(devices);
  await world.loop.runFor(10 * secondMs);
  const ids: RolloutId[] = [];
  for (const bundle of world.bundles) {
    ids.push(await world.loop.runUntil(startRollout(world, bundle)));
    await world.loop.runFor(60 * secondMs);
  }
  const running = new Map([...world.devices.keys()].map((id) => [id, world.versionOf(id)]));
  await world.stop();
  const rows = await world.loop.runUntil(
    world.store.read((view) => Promise.all(ids.map((id) => view.rollouts.get(fleet, id)))),
  );
  return {
    traceHash: await traceHashOf(world, ids),
    rollouts: rows.flatMap((row) => (row === null ? [] : [stateOf(row)])),
    running,
    windowsCounted: world.metrics.value('skein_windows_total'),
    outcomes: outcomesOf(world),
  };
}

/** Every input that was pushed has one end. */
function outcomesOf(world: SmokeFleet): ReadonlyMap<string, number> {
  const outcomes = new Map<string, number>();
  for (const [id, { inputsPushed, outcomes: own }] of world.devices) {
    let ended = 0;
    for (const [end, count] of own) {
      outcomes.set(end, (outcomes.get(end) ?? 0) + count);
      ended += count;
    }
    invariant(ended === inputsPushed, `${id} answered ${ended} of ${inputsPushed} inputs`);
  }
  return outcomes;
}

export async function startRollout(
  { server }: SmokeFleet,
  bundle: PackedBundle,
  policy: Partial<RolloutRequest> = {},
): Promise<RolloutId> {
  const created = await server.rollouts.create(fleet, {
    author: person.name,
    request: {
      app: smokeApp,
      path: `bundles/${bundle.config.name}@${bundle.config.version}` as TargetPath,
      digest: bundle.digest,
      target: 'state = accepted',
      waves: [{ percent: 50 }, { percent: 100 }],
      soakMs: 5 * secondMs,
      deadlineMs: 60 * secondMs,
      reachMs: 60 * secondMs,
      ...policy,
    },
  });
  if (!created.ok) throw new Error(created.error.message);
  const { rollout } = created.value;
  const event = { type: 'submitted', by: person } as const;
  const submitted = await server.rollouts.order({ fleet, rollout }, { event, version: undefined });
  if (!submitted.ok) throw new Error(submitted.error.code);
  server.wake();
  return rollout;
}
