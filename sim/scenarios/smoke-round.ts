import {
  type LedgerEntry,
  parseLedgerEntry,
  recordRound,
  type TrainingLedger,
} from '../../agent/core/federation/training-ledger.ts';
import { JournalFile } from '../../agent/runner/journal-file.ts';
import { openPhases, type RoundState } from '../../fleet-server/core/federation/round-state.ts';
import type { Contribution } from '../../fleet-server/core/model/round.ts';
import type { RolloutState } from '../../fleet-server/core/rollout/rollout-state.ts';
import { roundStateOf } from '../../fleet-server/runner/federation/round-book.ts';
import { stateOf } from '../../fleet-server/runner/rollout/rollout-book.ts';
import type { RoundRequest } from '../../shared/contracts/federation.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { streamOf } from '../../shared/core/byte-stream.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../shared/core/canonical-json.ts';
import type { DeviceId, Digest, RoundId, TargetPath } from '../../shared/core/ids.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { digestOf, sha256Hex } from '../../shared/trust/hash.ts';
import { heldOutBytes } from './learning-bundle.ts';
import { type LearningFleet, learningFleet } from './learning-fleet.ts';
import { expectOk } from './learning-server.ts';
import { smokeApp } from './smoke-bundles.ts';
import type { SmokeDevice } from './smoke-device.ts';
import { smokeFleet as fleet, SmokeFleet } from './smoke-fleet.ts';
import { startRollout } from './smoke-world.ts';

const devices = 7;
/** Its program was changed: it trains too far, and its clip is not the signed one. */
export const exaggerating = 'edge-0' as DeviceId;
/** Its training takes a third of a minute: the others have reached the goal by then. */
export const late = 'edge-1' as DeviceId;
/** Its power goes while it trains, for three seconds. */
export const interrupted = 'edge-2' as DeviceId;

export interface SmokeRoundOptions {
  readonly heldOut?: 'right' | 'contrary';
  /** Runs before the candidate begins to throw; never when absent. */
  readonly candidateSoursAfterRuns?: number;
}

export interface SmokeRoundResult {
  /** Hash over everything the server has written and every device keeps. */
  readonly traceHash: string;
  readonly round: RoundState;
  readonly contributions: readonly Contribution[];
  readonly uploads: LearningFleet['server']['uploads'];
  /** Of the candidate, if there was one. */
  readonly rollout: RolloutState | undefined;
  readonly parent: Digest;
  /** What answers, by device. */
  readonly running: ReadonlyMap<DeviceId, Digest | undefined>;
  readonly ledgers: ReadonlyMap<DeviceId, TrainingLedger>;
  /** Events that the server logged as errors: a round that fails is tried again, and would hide what failed. */
  readonly serverErrors: readonly string[];
}

/**
 * One federated round: server, director, devices and workshop as they are. Seven devices run a federable bundle and
 * have learnt its labels. All are invited; the one that exaggerates is refused by its norm, the slow one comes too
 * late, the one without power comes back and trains again. What is made of the others is judged on the held-out set,
 * signed with the delegated key, and goes to everybody by canary, or not.
 */
export async function runSmokeRound(
  seed: string,
  { heldOut = 'right', ...quirks }: SmokeRoundOptions = {},
): Promise<SmokeRoundResult> {
  const stepMs = new Map([[late, 600]]);
  const learning = learningFleet({ exaggerating, stepMs, ...quirks });
  const world = new SmokeFleet(seed, [], { learning });
  await world.open(devices);
  const parent = learning.devices.bundle;
  await world.loop.runUntil(startRollout(world, parent, everybody));
  await until(world, () => everyoneRuns(world, parent.digest));
  // Probation, and a look at every input there is.
  await world.loop.runFor(7_000);
  changeProgram(world.devices.get(exaggerating));
  const id = await world.loop.runUntil(startRound(learning, parent.digest, heldOut));
  await until(world, () => learning.devices.stepsOf(interrupted) > 5);
  await losePower(world, interrupted);
  const readRound = () =>
    world.loop.runUntil(world.store.read((view) => view.rounds.get(fleet, id)));
  await until(world, async () => !openPhases.has((await readRound())?.status ?? ''));
  await until(world, () => learning.server.uploads.some(({ device }) => device === late));
  await world.loop.runFor(3_000);
  const running = new Map([...world.devices.keys()].map((it) => [it, world.runningOf(it)]));
  await world.stop();
  const { uploads } = learning.server;
  return {
    ...(await lookBack(world, { id, uploads })),
    uploads,
    parent: parent.digest,
    running,
  };
}

const everybody = {
  ...{ waves: [{ percent: 100 }], soakMs: 1_000, holdback: { count: 0 as const } },
  gates: { minimumSample: { devices: 1, inferences: 1 } },
};

/** The operator's part: the held-out set up, the round asked for. */
async function startRound(
  { server }: LearningFleet,
  digest: Digest,
  kind: 'right' | 'contrary',
): Promise<RoundId> {
  const { office } = server.rooms;
  const set = heldOutBytes(kind);
  const heldOut = digestOf(set);
  expectOk(await office.keepHeldOut(heldOut, streamOf(set)));
  const request: RoundRequest = {
    app: smokeApp,
    bundle: { path: `bundles/${smokeApp}@1.0.0` as TargetPath, digest },
    // 130 % of the goal is the whole fleet; four honest devices and the one that came back reach it.
    training: { epochs: 4, batchRows: 8, learningRate: 0.5, goalDevices: 5, weightSamplesMax: 40 },
    ...{ minimumShare: 1, selectionMs: 10_000, reportingMs: 60_000, heldOut },
    rollout: {
      ...everybody,
      target: 'state = accepted',
      waves: [{ count: 1 }, { count: 3 }, { percent: 100 }],
      ...{ deadlineMs: 60_000, reachMs: 60_000 },
    },
  };
  return expectOk(await office.create('operator', fleet, request)).round;
}

/** Whoever owns a device can change the program in its memory; what was signed stays on its disk. */
function changeProgram(device: SmokeDevice | undefined): void {
  const training = device?.agent?.activeModel(smokeApp)?.bundle.config.training;
  invariant(training !== undefined, 'the device runs a federable bundle');
  Object.assign(training, { clipNorm: 1_000_000 });
}

/** Between two steps of a training; nothing that happens afterwards reaches the disk. */
async function losePower(world: SmokeFleet, id: DeviceId): Promise<void> {
  const device = world.devices.get(id);
  invariant(device !== undefined, `there is no ${id}`);
  device.disk.faults.powerCutAtStep = device.disk.steps + 1;
  await device.losePower();
  await world.loop.runFor(3_000);
  await device.boot();
}

const everyoneRuns = (world: SmokeFleet, digest: Digest): boolean =>
  [...world.devices.keys()].every((id) => world.runningOf(id) === digest);

/** Waits in the world, for two minutes of its time at most. */
async function until(world: SmokeFleet, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 480 && !(await isSo()); i += 1) await world.loop.runFor(250);
}

async function lookBack(
  world: SmokeFleet,
  { id, uploads }: { readonly id: RoundId; readonly uploads: SmokeRoundResult['uploads'] },
) {
  const page = { limit: limits.storePageMax };
  const written = await world.loop.runUntil(
    world.store.read(async (view) => ({
      round: await view.rounds.get(fleet, id),
      contributions: await view.rounds.listContributions(fleet, id, page),
      rollouts: await view.rollouts.list(fleet, { app: smokeApp }, page),
      bundles: await view.bundles.list(fleet, { name: smokeApp, page }),
      audit: await view.audit.listAll(page),
      events: await view.events.list(fleet, page),
    })),
  );
  const ledgers = new Map<DeviceId, TrainingLedger>();
  const kept: string[] = [];
  for (const [device, { disk }] of world.devices) {
    for (const name of ['update', 'outbox', 'rounds', 'examples']) {
      const bytes = await disk.read(`state/${name}.journal`, { bytesMax: 1 << 24 });
      kept.push(sha256Hex(bytes ?? new Uint8Array()));
    }
    ledgers.set(device, await readLedger(disk));
  }
  const { round, contributions, rollouts } = written;
  invariant(round !== null, `there is no ${id}`);
  // Newest first; the oldest is the parent's.
  const newest = rollouts.length > 1 ? rollouts[0] : undefined;
  return {
    traceHash: sha256Hex(utf8(canonicalJson({ ...written, uploads, kept } as unknown as Json))),
    round: roundStateOf(round),
    rollout: newest === undefined ? undefined : stateOf(newest),
    ...{ contributions, ledgers },
    serverErrors: world.log.entries.flatMap(({ level, event }) =>
      level === 'error' ? [event] : [],
    ),
  };
}

async function readLedger(disk: SmokeDevice['disk']): Promise<TrainingLedger> {
  const { records } = await JournalFile.open<LedgerEntry>({
    ...{ disk, path: 'state/rounds.journal', parse: parseLedgerEntry },
    bytesMax: limits.ledgerBytesMax,
  });
  return records.reduce<TrainingLedger>(recordRound, []);
}
