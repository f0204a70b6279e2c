import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { placeOf, type RolloutState } from '../../fleet-server/core/rollout/rollout-state.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { RolloutRequest } from '../../shared/contracts/rollout.ts';
import type { Digest, RolloutId } from '../../shared/core/ids.ts';
import { filetypeApp } from './demo-devices.ts';
import type { DemoServer } from './demo-server.ts';
import type { LiveView } from './live-view.ts';
import { pathOf } from './publisher.ts';
import type { ReplayDevice } from './replay-device.ts';
import type { ResultRow } from './result-row.ts';

export interface Play {
  readonly server: DemoServer;
  readonly devices: readonly ReplayDevice[];
  readonly view: LiveView;
  readonly signal: AbortSignal;
}

export interface RolloutScene {
  readonly bundle: PackedBundle;
  readonly kind: ResultRow['kind'];
  readonly percents: readonly number[];
  /** What devices ran before; `undefined` for the first release. */
  readonly previous: Digest | undefined;
  readonly target?: string;
  readonly holdback?: RolloutRequest['holdback'];
}

const person = { kind: 'person', name: 'operator' } as const;
const sceneMsMax = 80_000;
/** Devices of the control: of fewer, no 95th percentile can be told from a worse one. */
const holdbackDevices = 10;
const pollMs = 100;
/** An explanation is a whole decision, taken back: not more often than a person reads. */
const explainMs = 1_000;

/** The policy of the demo: an ordinary one, with seconds where a fleet has hours. */
const policyOf = ({ bundle, percents, target, holdback }: RolloutScene): RolloutRequest => ({
  app: filetypeApp,
  path: pathOf(bundle),
  digest: bundle.digest,
  target: target ?? 'state = accepted',
  waves: percents.map((percent) => ({ percent })),
  soakMs: 3_000,
  deadlineMs: 90_000,
  reachMs: 60_000,
  gates: {
    minimumSample: { devices: 2, inferences: 200 },
    // One thread answers for all devices here, so a tail that doubles may be the neighbours.
    latencyP95: { ratioMax: 2, ceilingMs: null },
  },
  holdback: holdback ?? { count: holdbackDevices },
});

/** Starts one rollout, follows it to its end, and says what was seen of it on the devices. */
export async function playRollout(play: Play, scene: RolloutScene): Promise<ResultRow> {
  const startMs = clock.monotonicMs();
  const rollout = await submit(play.server, scene);
  const end = await follow(play, scene, { rollout, startMs });
  if (end.state.kind === 'aborted') await untilBack(play, scene);
  const seen = await look(play, scene, { rollout, abortedAtMs: end.abortedAtMs });
  return {
    bundle: nameOf(scene.bundle),
    kind: scene.kind,
    state: end.state.kind,
    reason: end.state.kind === 'aborted' ? end.state.code : null,
    ...seen,
    seconds: rounded((end.endedAtMs - startMs) / 1_000),
  };
}

export const nameOf = ({ config }: PackedBundle): string => `${config.name}@${config.version}`;
const rounded = (value: number): number => Math.round(value * 10) / 10;

async function submit({ runner, fleet }: DemoServer, scene: RolloutScene): Promise<RolloutId> {
  const request = policyOf(scene);
  const created = await runner.rollouts.create(fleet, { author: person.name, request });
  if (!created.ok) throw new Error(`${created.error.code}: ${created.error.message}`);
  const { rollout } = created.value;
  const order = await runner.rollouts.nextOrder(fleet);
  const event = { type: 'submitted', by: person, order } as const;
  const submitted = await runner.rollouts.order({ fleet, rollout }, { event, version: undefined });
  if (!submitted.ok) throw new Error(`${nameOf(scene.bundle)}: ${submitted.error.code}`);
  runner.wake();
  return rollout;
}

interface Ending {
  readonly state: RolloutState;
  readonly endedAtMs: number;
  readonly abortedAtMs: number | undefined;
}

async function follow(
  { server, view, signal }: Play,
  scene: RolloutScene,
  { rollout, startMs }: { readonly rollout: RolloutId; readonly startMs: number },
): Promise<Ending> {
  let abortedAtMs: number | undefined;
  let why = '';
  let explainedAtMs = startMs;
  for (;;) {
    const { row, counts } = await server.store.read(async (reader) => ({
      row: await reader.rollouts.get(server.fleet, rollout),
      counts: await reader.offers.counts(server.fleet, rollout),
    }));
    if (row === null) throw new Error(`rollout ${rollout} is gone`);
    const state = row.reducerState as unknown as RolloutState;
    const nowMs = clock.monotonicMs();
    if (state.kind === 'aborting' || state.kind === 'aborted') {
      const wallMs = state.kind === 'aborting' ? state.sinceMs : state.abortedAtMs;
      abortedAtMs ??= nowMs - (clock.nowMs() - wallMs);
    }
    if (nowMs > explainedAtMs + explainMs) {
      const explained = await server.explain.rollout(server.fleet, rollout);
      if (explained.ok) why = explained.value.sentence;
      explainedAtMs = nowMs;
    }
    view.rollout({ bundle: nameOf(scene.bundle), kind: scene.kind, state, counts, why });
    const isOver = state.kind === 'completed' || state.kind === 'aborted';
    if (isOver || nowMs - startMs > sceneMsMax || signal.aborted) {
      if (!isOver) await giveUp(server, rollout);
      if (!isOver) view.say(`${nameOf(scene.bundle)} did not end: ${placeOf(state)}`);
      return { state, endedAtMs: nowMs, abortedAtMs };
    }
    await clock.sleepUntil(nowMs + pollMs, signal);
  }
}

/** Whatever the row says, the next scene needs the devices. */
async function giveUp({ runner, fleet }: DemoServer, rollout: RolloutId): Promise<void> {
  const event = { type: 'aborted', by: person, why: 'the scene is over' } as const;
  await runner.rollouts.order({ fleet, rollout }, { event, version: undefined });
  runner.wake();
}

const backMsMax = 15_000;

/** An answer of the previous model is the proof, not an order that names it. */
async function untilBack({ devices, signal }: Play, { bundle, previous }: RolloutScene) {
  const endMs = clock.monotonicMs() + backMsMax;
  const isOut = (device: ReplayDevice): boolean =>
    device.sightings.get(bundle.digest)?.answeredAtMs !== undefined &&
    !isBack(device, bundle.digest, previous);
  while (devices.some(isOut) && clock.monotonicMs() < endMs && !signal.aborted) {
    await clock.sleepUntil(clock.monotonicMs() + pollMs, signal);
  }
}

const isBack = (device: ReplayDevice, bad: Digest, previous: Digest | undefined): boolean =>
  device.running === previous &&
  device.handovers.some(({ from, to }) => from === bad && to === previous);

type Seen = Pick<ResultRow, 'exposed' | 'activated' | 'reverted' | 'revertP99Ms'>;

async function look(
  { server, devices }: Play,
  { bundle, previous }: RolloutScene,
  {
    rollout,
    abortedAtMs,
  }: { readonly rollout: RolloutId; readonly abortedAtMs: number | undefined },
): Promise<Seen> {
  const page = { limit: limits.storePageMax };
  const exposures = await server.store.read((reader) =>
    reader.offers.listByPhase(server.fleet, rollout, { page }),
  );
  const exposed = exposures.filter(({ acknowledgedAtMs }) => acknowledgedAtMs !== null).length;
  const activated = devices.filter((device) => {
    return device.sightings.get(bundle.digest)?.answeredAtMs !== undefined;
  });
  const isGood = abortedAtMs === undefined;
  const reverted = isGood
    ? activated.filter((device) => device.running !== bundle.digest)
    : activated.filter((device) => isBack(device, bundle.digest, previous));
  const times = reverted.flatMap((device) => {
    const back = device.handovers.find(({ from }) => from === bundle.digest);
    const verdictMs = device.sightings.get(bundle.digest)?.verdictAtMs ?? Infinity;
    const decidedMs = Math.min(verdictMs, abortedAtMs ?? Infinity);
    return back === undefined ? [] : [Math.max(0, back.atMs - decidedMs)];
  });
  return {
    exposed,
    activated: activated.length,
    reverted: reverted.length,
    revertP99Ms: percentile99(times),
  };
}

/** Nearest rank: of few, the largest. */
function percentile99(times: readonly number[]): number | null {
  if (times.length === 0) return null;
  const sorted = [...times].sort((a, b) => a - b);
  return Math.round(sorted[Math.ceil(0.99 * sorted.length) - 1] ?? 0);
}
