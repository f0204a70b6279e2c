import type { Fact } from '../../../shared/contracts/explanation.ts';
import { unreachable } from '../../../shared/core/invariant.ts';
import { decideProgress, type Progress, unreachedFact, unreplaced } from './decide-progress.ts';
import type { VerdictPolicy } from './decide-verdict.ts';
import {
  abortingOf,
  common,
  completedOf,
  type Event,
  moveTo,
  nextWave,
  runningOf,
  type StepResult,
  skein,
  unchanged,
  type WithoutLast,
} from './rollout-move.ts';
import type {
  AbortedState,
  AbortingState,
  PausedState,
  RolloutContext,
  RolloutState,
  RunningState,
} from './rollout-state.ts';

export function frozen(
  state: RolloutState,
  event: Event<'membership-frozen'>,
  context: RolloutContext,
): StepResult {
  // A second answer after a crash in between: the first draw stands.
  if (state.kind !== 'running' || state.assignment !== null) return unchanged(state, context);
  const { members, holdback, waveSizes } = event.assignment;
  const because: Fact[] = [
    { name: 'members', value: members, limit: null, blocks: false },
    { name: 'holdback', value: holdback, limit: null, blocks: false },
    { name: 'wave-devices', value: waveSizes[0] ?? 0, limit: null, blocks: false },
  ];
  const stage = { kind: 'offering' as const, sinceMs: context.nowMs };
  const { last: _, ...rest } = state;
  const running = { ...rest, assignment: event.assignment, stage };
  return moveTo(state, running, { by: skein, code: 'membership-frozen', because, context });
}

export function freezeFailed(
  state: RolloutState,
  code: string,
  context: RolloutContext,
): StepResult {
  if (state.kind !== 'running' || state.assignment !== null) return unchanged(state, context);
  return moveTo(state, { ...common(state), kind: 'draft' }, { by: skein, code, context });
}

/** Recorded like a move, because from here on other devices are in the wave than the ones first drawn. */
export function extended(
  state: RolloutState,
  event: Event<'wave-extended'>,
  context: RolloutContext,
): StepResult {
  if (state.kind !== 'running' || state.assignment === null) return unchanged(state, context);
  // A second answer to the same question: who was to be replaced has been.
  const isLate = event.wave !== state.wave || unreplaced(state, context) <= 0;
  if (isLate || state.replaced.isExhausted) return unchanged(state, context);
  const devices = state.replaced.devices + event.added;
  const replaced = { devices, isExhausted: event.added < event.asked };
  const { last: _, ...rest } = state;
  const because = [unreachedFact(context, replaced)];
  const code = event.added > 0 ? 'devices-replaced' : 'no-replacement-left';
  const to = { ...rest, assignment: event.assignment, replaced };
  return moveTo(state, to, { by: skein, code, because, context });
}

/** The automatic step: at most one transition, then the caller looks again. */
export function look(
  state: RolloutState,
  context: RolloutContext,
  policy?: VerdictPolicy,
): StepResult {
  switch (state.kind) {
    case 'running':
      return follow(state, decideProgress(state, context, policy), context);
    case 'paused': {
      // A pause holds everything back but an abort: proven harm does not wait for a person.
      const running = runningOf(state);
      const progress = decideProgress(running, context, policy);
      return progress.move === 'abort'
        ? beginAbort(state, progress, context)
        : unchanged({ ...state, running: { ...state.running, looks: progress.looks } }, context);
    }
    case 'aborting':
      return context.totals.updates.restoring === 0 && isAllTold(context)
        ? finishAbort(state, context)
        : unchanged(state, context);
    case 'draft':
    case 'awaiting-approval':
    case 'completed':
    case 'aborted':
      return unchanged(state, context);
    default:
      return unreachable(state);
  }
}

/** No exposure is left that has not been told to go back. */
const isAllTold = ({ totals: { updates } }: RolloutContext): boolean =>
  updates.offered +
    updates.acknowledged +
    updates.committed +
    updates.failed +
    updates.unreached ===
  0;

function follow(state: RunningState, progress: Progress, context: RolloutContext): StepResult {
  const { last: _, ...seen } = { ...state, looks: progress.looks };
  const { nowMs } = context;
  const step = { by: skein, because: progress.because, context };
  switch (progress.move) {
    case 'freeze':
    case 'offer':
    case 'extend':
    case 'wait':
      return unchanged({ ...state, looks: progress.looks }, context);
    case 'soak': {
      const stage = {
        kind: 'soaking' as const,
        sinceMs: nowMs,
        untilMs: nowMs + state.spec.soakMs,
      };
      return moveTo(state, { ...seen, stage }, { ...step, code: 'wave-settled' });
    }
    case 'judge': {
      const stage = { kind: 'judging' as const, sinceMs: nowMs };
      return moveTo(state, { ...seen, stage }, { ...step, code: 'soak-over' });
    }
    case 'promote':
      return moveTo(state, nextWave(seen, nowMs), { ...step, code: 'gates-passed' });
    case 'complete':
      return moveTo(state, completedOf(state, nowMs), { ...step, code: 'followed' });
    case 'abort':
      return beginAbort(state, progress, context);
    default:
      return unreachable(progress.move);
  }
}

function beginAbort(
  state: RunningState | PausedState,
  progress: Progress,
  context: RolloutContext,
): StepResult {
  const code = progress.code ?? 'failed-updates';
  const { because } = progress;
  return moveTo(state, abortingOf(state, code, context), { by: skein, code, because, context });
}

function finishAbort(state: AbortingState, context: RolloutContext): StepResult {
  const { restored, unrestored } = context.totals.updates;
  const because: Fact[] = [
    { name: 'restored-devices', value: restored, limit: null, blocks: false },
    { name: 'unrestored-devices', value: unrestored, limit: null, blocks: false },
  ];
  const { assignment, code } = state;
  const order = state.order;
  const to: WithoutLast<AbortedState> = {
    ...common(state),
    kind: 'aborted',
    order,
    assignment,
    code,
    abortedAtMs: context.nowMs,
  };
  return moveTo(state, to, { by: skein, code, because, context });
}
