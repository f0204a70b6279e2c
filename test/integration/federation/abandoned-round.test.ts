import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RoundState } from '../../../fleet-server/core/federation/round-state.ts';
import { stepRound } from '../../../fleet-server/core/federation/step-round.ts';
import { createCandidateRoads } from '../../../fleet-server/runner/federation/candidate-roads.ts';
import { CandidateShop } from '../../../fleet-server/runner/federation/candidate-shop.ts';
import { RoundDesk } from '../../../fleet-server/runner/federation/round-desk.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import type { TargetPath } from '../../../shared/core/ids.ts';
import { HttpWorld } from '../../support/http-world.ts';
import { silentLog } from '../../support/silent-ports.ts';
import {
  device,
  deviceId,
  digest,
  filetype,
  plant,
  roundId,
  targetPath,
} from '../../support/store-nouns.ts';

const round = roundId('a');
const path = 'federated/plant/filetype@2.0.0' as TargetPath;
const evidence = {
  ...{ n: 10, goldenAgreement: 1, goldenDifference: 0 },
  base: { correct: 5, logLoss: 1 },
  candidate: { correct: 6, logLoss: 1 },
};

/** Twelve updates are summed and the candidate is published; what is next is its rollout. */
const published: RoundState = {
  plan: {
    ...{ round, fleet: plant, parent: digest('1'), secret: 'ab'.repeat(32), author: 'ada' },
    createdAtMs: 0,
    request: {
      ...{ app: filetype, bundle: { path: targetPath('1.0.0'), digest: digest('1') } },
      training: { epochs: 1, batchRows: 8, learningRate: 1, goalDevices: 9, weightSamplesMax: 9 },
      ...{ minimumShare: 0.5, selectionMs: 60_000, reportingMs: 60_000, heldOut: digest('3') },
    },
    training: { elements: [1], clipNorm: 1, floors: { devices: 2, samples: 1, epochsMax: 4 } },
  },
  ...{ sinceMs: 0, phase: 'aggregated', tries: 0, invited: [deviceId('d1')] },
  ...{ counted: 12, refused: 0 },
  candidate: { path, digest: digest('2'), evidence, rollout: null },
};

let world: HttpWorld;
let forgotten = 0;
/** What happens while the rollout is being started. */
let meanwhile: () => Promise<unknown>;

beforeEach(async () => {
  world = await HttpWorld.open();
  forgotten = 0;
  meanwhile = async () => undefined;
  await world.store.transaction(async (tx) => {
    for (let n = 10; n < 30; n += 1) await tx.devices.insert(device(`d-${n}`, { cell: n * 100 }));
    await tx.bundles.insert({
      ...{ fleet: plant, path, name: 'filetype', version: '2.0.0', digest: digest('2') },
      ...{
        status: 'live',
        blobs: [digest('2')],
        publishedAtMs: 0,
        statusSinceMs: 0,
        contentReleasedAtMs: null,
        minAgent: null,
      },
    });
    await tx.rounds.insert({
      ...{ fleet: plant, round, app: filetype, status: 'aggregated', version: 1 },
      ...{ reducerState: published as unknown as Json, createdAtMs: 0, updatedAtMs: 0 },
    });
  });
});
afterEach(() => world.close());

/** The real ways to real rollouts; what came before the candidate is of no matter here. */
function openDesk(): RoundDesk {
  const { store, clock, server } = world;
  const unreached = () => Promise.reject(new Error('not asked for'));
  const real = createCandidateRoads({
    ...{ store, rollouts: server.rollouts, wake: () => server.wake() },
    repository: { signedReleases: [], federatedReleases: unreached },
  });
  const roads: typeof real = {
    ...real,
    startRollout: async (candidate) => {
      const started = await real.startRollout(candidate);
      await meanwhile();
      return started;
    },
  };
  const builder = { build: unreached } as never;
  const publisher = { publishCandidate: unreached };
  const blobs = {} as never;
  const shop = new CandidateShop({ blobs, clock, log: silentLog, builder, publisher, roads });
  const updates = { forget: async () => void (forgotten += 1) } as never;
  const orders = { send: unreached } as never;
  const random = {} as never;
  return new RoundDesk({ store, clock, random, log: silentLog, orders, updates, shop });
}

const rollouts = () =>
  world.store.read((view) => view.rollouts.list(plant, { app: filetype }, { limit: 10 }));

const stateOf = async () =>
  (await world.store.read((view) => view.rounds.get(plant, round)))?.reducerState as unknown as
    | RoundState
    | undefined;

describe('a round whose candidate is being rolled out', () => {
  it('when a person gives the round up, its rollout is aborted and says why', async () => {
    const desk = openDesk();
    while (await desk.turn(plant));
    const [running] = await rollouts();
    expect(running?.status).toBe('running');
    const given = await desk.abandon(plant, { round, actor: 'bo' });
    expect(given.ok && given.value.phase).toBe('abandoned');
    await desk.turn(plant);
    const [aborted] = await rollouts();
    expect(['aborting', 'aborted']).toContain(aborted?.status);
    const transitions = await world.store.read((view) => view.audit.list(plant, { limit: 50 }));
    expect(JSON.stringify(transitions)).toContain('round-abandoned');
    expect(JSON.stringify(transitions)).toContain(`${round} was abandoned`);
    while (await world.server.rollouts.turn(plant));
    expect((await rollouts())[0]?.status).toBe('aborted');
    expect((await desk.explain(plant, round))?.sentence).toContain(`${path} is taken back`);
    expect(forgotten).toBe(1);
  });

  it('when the server died between the round and the rollout, the next start aborts it', async () => {
    const desk = openDesk();
    while (await desk.turn(plant));
    await desk.abandon(plant, { round, actor: 'bo' });
    expect((await rollouts())[0]?.status).toBe('running');
    await openDesk().turn(plant);
    expect(['aborting', 'aborted']).toContain((await rollouts())[0]?.status);
    const [before] = await rollouts();
    await openDesk().turn(plant);
    expect((await rollouts())[0]?.version).toBe(before?.version);
  });

  it('when it is given up in the very moment in which the rollout starts, the rollout does not stay', async () => {
    const desk = openDesk();
    meanwhile = () => desk.abandon(plant, { round, actor: 'bo' });
    await desk.turn(plant);
    meanwhile = async () => undefined;
    expect((await stateOf())?.phase).toBe('abandoned');
    await desk.turn(plant);
    expect(await rollouts()).toHaveLength(1);
    expect(['aborting', 'aborted']).toContain((await rollouts())[0]?.status);
  });

  it('when it is given up before anything was rolled out, nothing ever is', async () => {
    const desk = openDesk();
    await desk.abandon(plant, { round, actor: 'bo' });
    while (await desk.turn(plant));
    await desk.turn(plant);
    expect(await rollouts()).toEqual([]);
    expect(forgotten).toBe(1);
  });

  it('when nothing was published yet, the round owes no abort', () => {
    const early: RoundState = { ...published, phase: 'aggregated', candidate: null };
    const { state, effects } = stepRound(early, { type: 'person-abandoned' }, { nowMs: 1 });
    expect(state).not.toHaveProperty('candidate');
    expect(effects).toEqual([{ kind: 'forget-updates' }]);
  });
});
