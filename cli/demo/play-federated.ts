import { type Accuracy } from '../../firmware-bundles/evaluate/classifier-answers.ts';
import { writeHeldOutSet } from '../../firmware-bundles/evaluate/held-out-set.ts';
import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { evaluateFiletype } from '../../firmware-bundles/zoo/filetype/release.ts';
import type { RoundState } from '../../fleet-server/core/federation/round-state.ts';
import type { BlobStore } from '../../fleet-server/ports/blob-store.ts';
import { roundStateOf } from '../../fleet-server/runner/federation/round-book.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { decodeBundle, decodeManifest } from '../../shared/codec/bundle.ts';
import { readAll, streamOf } from '../../shared/core/byte-stream.ts';
import type { Digest, RoundId } from '../../shared/core/ids.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import type { DemoServer } from './demo-server.ts';
import { followRollout } from './follow-rollout.ts';
import type { Prepared } from './prepare.ts';
import { pathOf } from './publisher.ts';
import type { ResultRow } from './result-row.ts';
import { filetypeApp, type Play, policyOf } from './rollout-scene.ts';

/** What became of the round; `accuracy` is the candidate's on the stated half, where there is one. */
export interface FederatedResult {
  readonly invited: number;
  readonly contributed: number;
  readonly rejected: number;
  readonly state: string;
  readonly candidate: string | null;
}

export interface FederatedScene {
  /** What devices run and train. */
  readonly base: PackedBundle;
  readonly prepared: Pick<Prepared, 'labels' | 'held'>;
  readonly percents: readonly number[];
  readonly goalDevices: number;
}

const author = 'operator';
const roundMsMax = 60_000;
const endMsMax = 10_000;
const pollMs = 100;
const training = { epochs: 3, batchRows: 8, learningRate: 4, weightSamplesMax: 64 } as const;

/** A round from the invitation to the end of its candidate's rollout: the way every other bundle goes, too. */
export async function playFederated(
  play: Play,
  scene: FederatedScene,
): Promise<{
  readonly row: ResultRow;
  readonly result: FederatedResult;
  readonly accuracy?: Accuracy;
}> {
  const startMs = clock.monotonicMs();
  const round = await startRound(play.server, scene);
  const built = await untilRollout(play, round);
  const candidate = built.phase === 'aggregated' ? built.candidate : null;
  if (candidate === null || candidate.rollout === null) {
    return { row: rowWithout(built, startMs), result: resultOf(built, null) };
  }
  const { base, candidate: made, n } = candidate.evidence;
  play.view.say(
    `candidate: ${made.correct} of ${n} held-out files right, log loss ${made.logLoss.toFixed(4)}; learned from ${base.correct}, ${base.logLoss.toFixed(4)}`,
  );
  const name = candidate.path.slice(candidate.path.lastIndexOf('/') + 1);
  const { digest, rollout } = candidate;
  play.names.set(digest, name);
  const subject = { name, digest, kind: 'federated', previous: scene.base.digest } as const;
  const row = await followRollout(play, subject, { rollout, startMs });
  const ended = await untilEnded(play, round);
  const { held, labels } = scene.prepared;
  const accuracy = await evaluateFiletype(
    await readModel(play.server.blobs, digest),
    held.state,
    labels,
  );
  return { row, result: resultOf(ended, name), accuracy };
}

async function startRound(server: DemoServer, scene: FederatedScene): Promise<RoundId> {
  const { base, prepared, goalDevices, percents } = scene;
  const { gate } = prepared.held;
  const heldOut = writeHeldOutSet({
    rows: gate.map(({ counts }) => counts),
    labels: gate.map(({ label }) => prepared.labels.indexOf(label)),
  });
  const digest = digestOf(heldOut);
  const { rounds } = server.desks;
  const kept = await rounds.keepHeldOut(digest, streamOf(heldOut));
  if (!kept.ok) throw new Error(`${kept.error.code}: ${kept.error.message}`);
  const created = await rounds.create(author, server.fleet, {
    app: filetypeApp,
    bundle: { path: pathOf(base), digest: base.digest },
    training: { ...training, goalDevices },
    minimumShare: 0.5,
    selectionMs: 30_000,
    reportingMs: 40_000,
    heldOut: digest,
    version: '3.0.0',
    rollout: policyOf({ percents }),
  });
  if (!created.ok) throw new Error(`${created.error.code}: ${created.error.message}`);
  return created.value.round;
}

async function readState({ store, fleet }: DemoServer, round: RoundId): Promise<RoundState> {
  const row = await store.read((view) => view.rounds.get(fleet, round));
  invariant(row !== null, `${round} was just made`);
  return roundStateOf(row);
}

const isOver = ({ phase }: RoundState): boolean =>
  phase === 'completed' || phase === 'candidate-rejected' || phase === 'abandoned';

/** The state in which the candidate's rollout has begun, or the one in which the round ended without. */
const untilRollout = (play: Play, round: RoundId): Promise<RoundState> =>
  untilState(play, round, {
    msMax: roundMsMax,
    isIt: (state) => state.phase === 'aggregated' && (state.candidate?.rollout ?? null) !== null,
    see: (sentence) => play.view.say(sentence),
  });

/** The round's own loop sees the end of the rollout a moment later than we do. */
const untilEnded = (play: Play, round: RoundId): Promise<RoundState> =>
  untilState(play, round, { msMax: endMsMax, isIt: () => false, see: () => undefined });

/** Looks until the round is over or `isIt`, and says each new sentence about it. */
async function untilState(
  { server, signal }: Play,
  round: RoundId,
  look: {
    readonly msMax: number;
    readonly isIt: (state: RoundState) => boolean;
    readonly see: (sentence: string) => void;
  },
): Promise<RoundState> {
  const endMs = clock.monotonicMs() + look.msMax;
  let said = '';
  for (;;) {
    const state = await readState(server, round);
    const sentence = sentenceOf(state);
    if (sentence !== said) look.see(sentence);
    said = sentence;
    const isDone = look.isIt(state) || isOver(state);
    if (isDone || signal.aborted || clock.monotonicMs() > endMs) return state;
    await clock.sleepUntil(clock.monotonicMs() + pollMs, signal);
  }
}

function sentenceOf(state: RoundState): string {
  const { round } = state.plan;
  if (state.phase === 'selecting') return `${round} looks for devices that can train`;
  const invited = `${round} is ${state.phase}: ${state.invited.length} devices invited`;
  return 'counted' in state
    ? `${invited}, ${state.counted} updates counted, ${state.refused} refused`
    : invited;
}

function resultOf(state: RoundState, candidate: string | null): FederatedResult {
  const reports = 'counted' in state ? state : { counted: 0, refused: 0 };
  return {
    invited: 'invited' in state ? state.invited.length : 0,
    contributed: reports.counted,
    rejected: reports.refused,
    state: state.phase,
    candidate,
  };
}

/** A round that made no candidate has a row too, and its reason is the round's. */
const rowWithout = (state: RoundState, startMs: number): ResultRow => ({
  bundle: `${filetypeApp}@${state.plan.round}`,
  kind: 'federated',
  state: state.phase,
  reason: 'reason' in state ? state.reason : null,
  ...{ exposed: 0, activated: 0, reverted: 0, revertP99Ms: null },
  seconds: Math.round((clock.monotonicMs() - startMs) / 100) / 10,
});

/** The candidate's graph and tensors as the server published them. */
async function readModel(blobs: BlobStore, digest: Digest) {
  const manifestBytes = await readBlob(blobs, digest);
  const manifest = decodeManifest(manifestBytes);
  invariant(manifest.ok, 'a published manifest');
  const config = await readBlob(blobs, manifest.value.config.digest);
  const bundle = decodeBundle(manifestBytes, config);
  const variant = bundle.ok ? bundle.value.config.variants[0] : undefined;
  invariant(variant !== undefined, 'a published bundle has a variant');
  const tensors = new Map<string, Uint8Array>();
  for (const { location, digest: tensor } of variant.tensors) {
    tensors.set(location, await readBlob(blobs, tensor));
  }
  return { graph: await readBlob(blobs, variant.graph), tensors };
}

async function readBlob(blobs: BlobStore, digest: Digest): Promise<Uint8Array> {
  const body = await blobs.read(digest);
  invariant(body !== undefined, `${digest} was published`);
  return readAll(body);
}
