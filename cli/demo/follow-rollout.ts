import { placeOf, type RolloutState } from '../../fleet-server/core/rollout/rollout-state.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Digest, RolloutId } from '../../shared/core/ids.ts';
import type { DemoServer } from './demo-server.ts';
import { instantMs, type SeenDevice } from './fleet/seen-device.ts';
import type { ResultRow } from './result-row.ts';
import type { Play, Subject } from './rollout-scene.ts';

const sceneMsMax = 240_000;
const pollMs = 200;
/** An explanation is a whole decision, taken back: not more often than a person reads. */
const explainMs = 1_000;

/** Follows a rollout to its end, and says what was seen of it on the devices. */
export async function followRollout(
  play: Play,
  subject: Subject,
  { rollout, startMs }: { readonly rollout: RolloutId; readonly startMs: number },
): Promise<ResultRow> {
  const end = await untilOver(play, subject, { rollout, startMs });
  if (end.state.kind === 'aborted') await untilBack(play, subject);
  const seen = await look(play, subject, { rollout, abortedAtMs: end.abortedAtMs });
  return {
    bundle: subject.name,
    kind: subject.kind,
    state: end.state.kind,
    reason: end.state.kind === 'aborted' ? end.state.code : null,
    ...seen,
    seconds: Math.round((end.endedAtMs - startMs) / 100) / 10,
  };
}

interface Ending {
  readonly state: RolloutState;
  readonly endedAtMs: number;
  readonly abortedAtMs: number | undefined;
}

async function untilOver(
  { server, view, signal }: Play,
  subject: Subject,
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
      abortedAtMs ??= instantMs() - (clock.nowMs() - wallMs);
    }
    if (nowMs > explainedAtMs + explainMs) {
      const explained = await server.desks.explanations.rollout(server.fleet, rollout);
      if (explained.ok) why = explained.value.sentence;
      explainedAtMs = nowMs;
    }
    view.rollout({ bundle: subject.name, kind: subject.kind, state, counts, why });
    const isOver = state.kind === 'completed' || state.kind === 'aborted';
    if (isOver || nowMs - startMs > sceneMsMax || signal.aborted) {
      if (!isOver) await giveUp(server, rollout);
      if (!isOver) view.say(`${subject.name} did not end: ${placeOf(state)}`);
      return { state, endedAtMs: nowMs, abortedAtMs };
    }
    await clock.sleepUntil(nowMs + pollMs, signal);
  }
}

/** Whatever the row says, the next scene needs the devices. */
async function giveUp({ runner, fleet }: DemoServer, rollout: RolloutId): Promise<void> {
  const event = {
    type: 'aborted',
    by: { kind: 'person', name: 'operator' },
    why: 'the scene is over',
  } as const;
  await runner.rollouts.order({ fleet, rollout }, { event, version: undefined });
  runner.wake();
}

const backMsMax = 15_000;

/** An answer of the previous model is the proof, not an order that names it. */
async function untilBack({ devices, signal }: Play, { digest, previous }: Subject) {
  const endMs = clock.monotonicMs() + backMsMax;
  const isOut = (device: SeenDevice): boolean =>
    device.sightings.get(digest)?.answeredAtMs !== undefined && !isBack(device, digest, previous);
  while (devices.some(isOut) && clock.monotonicMs() < endMs && !signal.aborted) {
    await clock.sleepUntil(clock.monotonicMs() + pollMs, signal);
  }
}

const isBack = (device: SeenDevice, bad: Digest, previous: Digest | undefined): boolean =>
  device.running === previous &&
  device.handovers.some(({ from, to }) => from === bad && to === previous);

type Seen = Pick<ResultRow, 'exposed' | 'activated' | 'reverted' | 'revertP99Ms'>;

async function look(
  { server, devices }: Play,
  { digest, previous }: Subject,
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
    return device.sightings.get(digest)?.answeredAtMs !== undefined;
  });
  const isGood = abortedAtMs === undefined;
  const reverted = isGood
    ? activated.filter((device) => device.running !== digest)
    : activated.filter((device) => isBack(device, digest, previous));
  const times = reverted.flatMap((device) => {
    const back = device.handovers.find(({ from }) => from === digest);
    const { verdictAtMs = Infinity, revertMs } = device.sightings.get(digest) ?? {};
    const decidedMs = Math.min(verdictAtMs, abortedAtMs ?? Infinity);
    // Beside a daemon one sees windows of a second; its own clock knows better.
    if (revertMs !== undefined && decidedMs === verdictAtMs) return [revertMs];
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
