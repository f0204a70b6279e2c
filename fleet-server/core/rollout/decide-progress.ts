import type { CohortTotals } from '../../../shared/contracts/cohort-totals.ts';
import type { Fact } from '../../../shared/contracts/explanation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { decideVerdict, type Look, type Verdict, type VerdictPolicy } from './decide-verdict.ts';
import type { Looks, RolloutContext, RunningState } from './rollout-state.ts';

/** The next step of a running rollout, and what it rests on. */
export interface Progress {
  readonly move:
    | 'freeze'
    | 'offer'
    | 'extend'
    | 'wait'
    | 'soak'
    | 'judge'
    | 'promote'
    | 'complete'
    | 'abort';
  /** `extend`: how many devices to replace. */
  readonly count: number;
  /** Code of an abort. */
  readonly code: string | null;
  readonly looks: Looks;
  /** For `wait`, each blocking fact stands in the way by itself. */
  readonly because: readonly Fact[];
  readonly verdict: Verdict | null;
}

/** What the rollout does next, with the devices that were out of reach among its numbers at every stage. */
export function decideProgress(
  state: RunningState,
  context: RolloutContext,
  policy: VerdictPolicy = decideVerdict,
): Progress {
  const progress = decideMove(state, context, policy);
  if (context.waveUpdates.unreached === 0) return progress;
  const because = progress.because.slice(0, limits.becauseMax - 1);
  return { ...progress, because: [...because, unreachedFact(context, state.replaced)] };
}

/**
 * Compares where the rollout is with what it waits for. A wave goes on only on evidence: every member offered, each
 * offer with an outcome (or unreached and replaced as far as members go), then the soak, then the verdict. An abort
 * is taken at any stage, but only at a look that is due, because each look spends false-abort share.
 */
function decideMove(state: RunningState, context: RolloutContext, policy: VerdictPolicy): Progress {
  const none = { count: 0, code: null, looks: state.looks, verdict: null };
  if (state.assignment === null) return { ...none, move: 'freeze', because: [] };
  if (context.digest === 'revoked') {
    const revoked: Fact = { name: 'revoked-digest', value: true, limit: false, blocks: true };
    return { ...none, move: 'abort', code: 'digest-revoked', because: [revoked] };
  }
  const waiting = offeringFacts(context);
  const isSettled = waiting.every((fact) => !fact.blocks);
  const isFirstJudgement = state.stage.kind === 'soaking' && context.nowMs >= state.stage.untilMs;
  const isDue = isLookDue(state.looks, context, isFirstJudgement);
  const looks = isDue ? looked(state.looks, context) : state.looks;
  const look: Look = { number: Math.max(1, looks.count), isWaveSettled: isSettled };
  const verdict = policy(state.spec.gates, comparable(state, context), look);
  const common = { count: 0, code: null, looks, verdict };
  // A wave of which nothing was committed is no matter of chance: it spends no share and waits for no look.
  const isPlain = verdict.reasons[0]?.kind === 'nothing-committed';
  if ((isDue || isPlain) && verdict.verdict === 'abort') {
    const code = verdict.reasons[0]?.code ?? 'failed-updates';
    return { ...common, move: 'abort', code, because: verdict.because };
  }
  if (context.digest === 'stopped' && !state.spec.overrideStop) {
    // Nobody is offered it any more, so no wave would ever be what was planned.
    const stopped: Fact = { name: 'stopped-digest', value: true, limit: false, blocks: true };
    return { ...common, move: 'wait', because: [stopped, ...waiting] };
  }
  switch (state.stage.kind) {
    case 'offering':
      return decideOffering(state, context, { ...common, because: waiting });
    case 'soaking': {
      const { untilMs } = state.stage;
      const isOver = context.nowMs >= untilMs;
      const soak: Fact = { name: 'soak', value: context.nowMs, limit: untilMs, blocks: !isOver };
      return { ...common, move: isOver ? 'judge' : 'wait', because: [soak] };
    }
    case 'judging':
      return verdict.verdict === 'promote'
        ? { ...common, move: 'promote', because: verdict.because }
        : { ...common, move: 'wait', because: verdict.because };
  }
}

/** There is a control only where one was held back, and until it follows. */
function comparable(state: RunningState, { totals }: RolloutContext): CohortTotals {
  const hasControl = (state.assignment?.holdback ?? 0) > 0 && state.wave < state.spec.waves.length;
  return hasControl ? totals : { ...totals, control: null };
}

type Partway = Omit<Progress, 'move'>;

function decideOffering(state: RunningState, context: RolloutContext, common: Partway): Progress {
  const { committed, failed } = context.waveUpdates;
  const isFollow = state.wave >= state.spec.waves.length;
  const toReplace = unreplaced(state, context);
  if (toReplace > 0 && !isFollow && !state.replaced.isExhausted) {
    return { ...common, move: 'extend', count: toReplace };
  }
  if (context.offerable > 0) return { ...common, move: 'offer' };
  if (common.because.some((fact) => fact.blocks)) return { ...common, move: 'wait' };
  if (isFollow) return { ...common, move: 'complete' };
  // Silence is no evidence: a wave that reached nobody proves nothing, however long it lasted.
  if (committed + failed === 0 && context.totals.updates.committed === 0) {
    const reached: Fact = { name: 'reached-devices', value: 0, limit: 1, blocks: true };
    return { ...common, move: 'wait', because: [...common.because, reached] };
  }
  return { ...common, move: 'soak' };
}

/** Unreached devices of the open wave for which no other was taken yet. */
export const unreplaced = ({ replaced }: RunningState, { waveUpdates }: RolloutContext): number =>
  waveUpdates.unreached - replaced.devices;

/** Neither good nor bad, so it never blocks; shown, so that nobody wonders why the wave is another one. */
export const unreachedFact = (
  { waveUpdates }: RolloutContext,
  replaced: RunningState['replaced'],
): Fact => ({
  name: 'unreached-devices',
  value: waveUpdates.unreached,
  limit: replaced.devices,
  blocks: false,
});

/** Everything that must be over before the wave soaks. */
function offeringFacts({ waveUpdates, offerable }: RolloutContext): readonly Fact[] {
  const waitsFor = (name: string, value: number): Fact => ({
    name,
    value,
    limit: 0,
    blocks: value > 0,
  });
  return [
    waitsFor('devices-to-offer', offerable),
    waitsFor('devices-not-answered', waveUpdates.offered),
    waitsFor('devices-updating', waveUpdates.acknowledged),
  ];
}

const outcomesOf = ({ totals }: RolloutContext): number =>
  totals.updates.committed + totals.updates.failed;

/** A look is due when outcomes or inferences grew by a quarter, and once when a soak ends. */
function isLookDue(looks: Looks, context: RolloutContext, isFirstJudgement: boolean): boolean {
  const grew = (now: number, before: number): boolean => now > before && 4 * now >= 5 * before;
  return (
    isFirstJudgement ||
    grew(outcomesOf(context), looks.outcomes) ||
    grew(context.totals.wave.inferences, looks.inferences)
  );
}

const looked = (looks: Looks, context: RolloutContext): Looks => ({
  count: looks.count + 1,
  outcomes: outcomesOf(context),
  inferences: context.totals.wave.inferences,
});
