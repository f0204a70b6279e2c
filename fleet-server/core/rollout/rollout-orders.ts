import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import { unreachable } from '../../../shared/core/invariant.ts';
import { decideProgress } from './decide-progress.ts';
import {
  abortingOf,
  common,
  completedOf,
  type Event,
  type Move,
  moveTo,
  nextWave,
  refuse,
  runningOf,
  type StepResult,
  started,
  unchanged,
  type WithoutLast,
} from './rollout-move.ts';
import type { RolloutContext, RolloutState, RunningState } from './rollout-state.ts';
import { bindingOf, isSameBinding } from './spec.ts';

export function submit(
  state: RolloutState,
  event: Event<'submitted'>,
  context: RolloutContext,
): StepResult {
  if (state.kind !== 'draft') return refuse(state, 'rollout-wrong-state');
  const stopped = stoppedBy(state, context);
  if (stopped !== undefined) return refuse(state, stopped);
  const move = { by: event.by, code: 'person-decided', context };
  if (state.spec.approval === 'none') return start(state, event.order, move);
  return moveTo(
    state,
    { ...common(state), kind: 'awaiting-approval', binding: bindingOf(state.spec) },
    move,
  );
}

export function edit(
  state: RolloutState,
  event: Event<'edited'>,
  context: RolloutContext,
): StepResult {
  if (state.kind !== 'draft' && state.kind !== 'awaiting-approval') {
    return refuse(state, 'rollout-wrong-state');
  }
  const edited = { ...common(state), kind: 'draft' as const, spec: event.spec };
  return moveTo(state, edited, { by: event.by, code: 'person-decided', context });
}

export function approve(
  state: RolloutState,
  event: Event<'approved'>,
  context: RolloutContext,
): StepResult {
  if (state.kind !== 'awaiting-approval') return refuse(state, 'rollout-wrong-state');
  if (event.by.kind !== 'person' || event.by.name === state.author) {
    return refuse(state, 'approval-own-rollout');
  }
  const stands = bindingOf(state.spec);
  if (!isSameBinding(event.binding, stands) || !isSameBinding(state.binding, stands)) {
    return refuse(state, 'approval-void');
  }
  const stopped = stoppedBy(state, context);
  if (stopped !== undefined) return refuse(state, stopped);
  return start(state, event.order, { by: event.by, code: 'person-decided', context });
}

export function deny(
  state: RolloutState,
  event: Event<'denied'>,
  context: RolloutContext,
): StepResult {
  if (state.kind !== 'awaiting-approval') return refuse(state, 'rollout-wrong-state');
  const move = { by: event.by, code: 'person-decided', why: event.why, context };
  return moveTo(state, { ...common(state), kind: 'draft' }, move);
}

function stoppedBy(state: RolloutState, context: RolloutContext): ErrorCode | undefined {
  if (context.digest === 'revoked') return 'digest-revoked';
  return context.digest === 'stopped' && !state.spec.overrideStop ? 'digest-stopped' : undefined;
}

function start(
  state: RolloutState,
  order: number,
  move: Move & { readonly context: RolloutContext },
): StepResult {
  const { nowMs } = move.context;
  const running: WithoutLast<RunningState> = {
    ...common(state),
    kind: 'running',
    order,
    startedAtMs: nowMs,
    assignment: null,
    wave: 0,
    stage: { kind: 'offering', sinceMs: nowMs },
    looks: { count: 0, outcomes: 0, inferences: 0 },
    replaced: { devices: 0, isExhausted: false },
  };
  return moveTo(state, running, move);
}

export function pause(
  state: RolloutState,
  event: Event<'paused'>,
  context: RolloutContext,
): StepResult {
  if (state.kind !== 'running') return refuse(state, 'rollout-wrong-state');
  const { assignment, wave, stage, looks, replaced } = state;
  const running = { assignment, wave, stage, looks, replaced };
  const to = { ...started(state), kind: 'paused' as const, running, sinceMs: context.nowMs };
  return moveTo(state, to, { by: event.by, code: 'person-decided', why: event.why, context });
}

export function resume(
  state: RolloutState,
  event: Event<'resumed'>,
  context: RolloutContext,
): StepResult {
  if (state.kind !== 'paused') return refuse(state, 'rollout-wrong-state');
  const { last: _, ...running } = runningOf(state);
  // The soak is watched time: the pause does not count.
  const stage =
    running.stage.kind === 'soaking'
      ? { ...running.stage, untilMs: running.stage.untilMs + (context.nowMs - state.sinceMs) }
      : running.stage;
  const move = { by: event.by, code: 'person-decided', why: event.why, context };
  return moveTo(state, { ...running, stage }, move);
}

/** A person ends the wave early or overrules a hold; the numbers of the moment are recorded. */
export function promote(
  state: RolloutState,
  event: Event<'promoted'>,
  context: RolloutContext,
): StepResult {
  if (state.kind !== 'running' || state.assignment === null) {
    return refuse(state, 'rollout-wrong-state');
  }
  const { because } = decideProgress(state, context);
  const move = { by: event.by, code: 'person-decided', why: event.why, because, context };
  const { last: _, ...running } = state;
  const isFollow = state.wave >= state.spec.waves.length;
  return moveTo(
    state,
    isFollow ? completedOf(state, context.nowMs) : nextWave(running, context.nowMs),
    move,
  );
}

export function abort(
  state: RolloutState,
  event: Event<'aborted'>,
  context: RolloutContext,
): StepResult {
  const code = event.code ?? 'person-decided';
  const move = { by: event.by, code, why: event.why, context };
  switch (state.kind) {
    case 'draft':
    case 'awaiting-approval': {
      const never = { ...common(state), order: null, assignment: null, code };
      return moveTo(state, { ...never, kind: 'aborted', abortedAtMs: context.nowMs }, move);
    }
    case 'running':
    case 'paused':
      return moveTo(state, abortingOf(state, code, context), move);
    case 'aborting':
    case 'aborted':
      return unchanged(state, context);
    case 'completed':
      // Going back from what is complete is a rollout of the older bundle, with waves of its own.
      return refuse(state, 'rollout-wrong-state');
    default:
      return unreachable(state);
  }
}

export function retry(
  state: RolloutState,
  event: Event<'retried'>,
  context: RolloutContext,
): StepResult {
  if (state.kind !== 'running' && state.kind !== 'completed') {
    return refuse(state, 'rollout-wrong-state');
  }
  const { last: _, ...rest } = state;
  const again = state.retry + 1;
  const move = { by: event.by, code: 'person-decided', why: event.why, context };
  if (rest.kind === 'completed') return moveTo(state, { ...rest, retry: again }, move);
  // The outcomes of those that try again are awaited like those of new devices.
  const stage = { kind: 'offering' as const, sinceMs: context.nowMs };
  return moveTo(state, { ...rest, retry: again, stage }, move);
}
