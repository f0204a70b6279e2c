import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RolloutRow } from '../../../shared/contracts/api/rollout.ts';
import type { RoundView } from '../../../shared/contracts/api/round.ts';
import { endedPhases } from '../../../shared/contracts/api/round.ts';
import type { Explanation } from '../../../shared/contracts/explanation.ts';
import type { RoundRequest } from '../../../shared/contracts/federation.ts';
import type { Digest, TargetPath } from '../../../shared/core/ids.ts';
import { createOnnxRuntime } from '../../../shared/runtime/onnx-runtime.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import {
  federable,
  heldOutBytes,
  packSmallParent,
  syntheticFiles,
} from '../../support/federated-world.ts';
import { RoundFleet, roundFleet } from '../../support/round-fleet.ts';
import { filetype } from '../../support/store-nouns.ts';

const quick = { soakMs: 300, deadlineMs: 30_000, reachMs: 30_000, holdback: { count: 0 } } as const;
const everybody = {
  ...{ target: 'state = accepted', waves: [{ percent: 100 }], ...quick },
  gates: { minimumSample: { devices: 1, inferences: 1 }, latencyP95: null },
};
const canary = { ...everybody, waves: [{ count: 1 }, { percent: 100 }] };

let folder: string;
let fleet: RoundFleet;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-rounds-'));
  fleet = await RoundFleet.open(folder);
});
afterEach(async () => {
  await fleet.close();
  await rm(folder, { recursive: true, force: true });
});

async function until(what: string, isTrue: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = Date.now() + 40_000;
  while (!(await isTrue())) {
    if (Date.now() > endMs) throw new Error(`${what} did not come about`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const trained = () => fleet.devices.filter((_, at) => at < 4);
const areRunning = (digest: Digest) => (): boolean =>
  fleet.devices.every(({ running }) => running === digest);

/** Starts a round over REST and follows it to its end. */
async function playRound(request: RoundRequest): Promise<RoundView> {
  const { round } = await fleet.ask<RoundView>('/rounds', { body: request });
  let view = await fleet.ask<RoundView>(`/rounds/${round}`);
  await until(`the end of ${round}`, async () => {
    view = await fleet.ask<RoundView>(`/rounds/${round}`);
    return endedPhases.includes(view.phase);
  });
  return view;
}

it('with four devices that learn and one that may not, a candidate that is no better goes nowhere, and a better one to all of them', async () => {
  const parent = await packSmallParent();
  const runtime = createOnnxRuntime();
  await fleet.publish(parent, federable);
  for (let at = 0; at < 5; at += 1) {
    const files = syntheticFiles(`device/${at}`, 40);
    await fleet.addDevice(`edge-${at}`, { runtime, files, mayTrain: at < 4 });
  }
  const path = 'bundles/filetype@1.0.0' as TargetPath;
  const body = { ...everybody, app: filetype, path, digest: parent.digest };
  const drafted = await fleet.ask<RolloutRow>('/rollouts', { body });
  const ifMatch = `"${drafted.version}"`;
  await fleet.ask(`/rollouts/${drafted.rollout}/submit`, { body: {}, ifMatch });
  await until('the parent everywhere', areRunning(parent.digest));
  // A second of answers from the committed model: enough to have seen every file.
  await new Promise((resolve) => setTimeout(resolve, 1_500));

  const heldOut = heldOutBytes('gate', 200);
  await fleet.put(`/api/v1/fleets/${roundFleet}/held-out/${digestOf(heldOut)}`, heldOut);
  const request: RoundRequest = {
    app: filetype,
    bundle: { path, digest: parent.digest },
    training: { epochs: 4, batchRows: 8, learningRate: 2, goalDevices: 4, weightSamplesMax: 40 },
    ...{ minimumShare: 1, selectionMs: 500, reportingMs: 30_000 },
    heldOut: digestOf(heldOut),
    rollout: canary,
  };
  // Too little to move an answer, so the candidate is its parent again, and no better than it.
  const training = { ...request.training, learningRate: 1e-6 };
  const contrary = heldOutBytes('gate', 200, 1);
  await fleet.put(`/api/v1/fleets/${roundFleet}/held-out/${digestOf(contrary)}`, contrary);
  const bad = await playRound({ ...request, training, heldOut: digestOf(contrary) });
  expect(bad).toMatchObject({ phase: 'candidate-rejected', counted: 4, candidate: null });
  expect(bad.evidence!.candidate.correct).toBe(bad.evidence!.base.correct);
  const why = await fleet.ask<Explanation>(`/rounds/${bad.round}/explanation`);
  expect(why.sentence).toContain(String(bad.reason));
  expect(areRunning(parent.digest)()).toBe(true);

  const good = await playRound(request);
  expect(good).toMatchObject({ phase: 'completed', invited: 5, counted: 4, refused: 0 });
  const { candidate, evidence } = good;
  expect(candidate?.path).toBe(`federated/${roundFleet}/filetype@1.1.0`);
  expect(evidence!.candidate.correct).toBeGreaterThan(evidence!.base.correct);
  await until('the candidate everywhere', areRunning(candidate!.digest));
  const rollout = await fleet.ask<RolloutRow>(`/rollouts/${candidate!.rollout!}`);
  expect(rollout).toMatchObject({ status: 'completed', digest: candidate!.digest });
  expect(trained()).toHaveLength(4);
}, 90_000);
