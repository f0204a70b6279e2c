import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import type { Fact } from '../../../shared/contracts/explanation.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import { effectsOf } from './effects-of.ts';
import {
  type AbortingState,
  type Actor,
  type PausedState,
  placeOf,
  type RolloutContext,
  type RolloutEffect,
  type RolloutEvent,
  type RolloutState,
  type RunningState,
  type Transition,
} from './rollout-state.ts';

export interface RolloutStep {
  readonly state: RolloutState;
  /** A transition to record, if there was one, then what `effectsOf` derives from the new state. */
  readonly effects: readonly RolloutEffect[];
}

/** An order that cannot be followed now; nothing changed. */
export interface RolloutRefusal {
  readonly code: ErrorCode;
  readonly place: string;
}

export type StepResult = Result<RolloutStep, RolloutRefusal>;

export const skein: Actor = { kind: 'skein' };

export interface Move {
  readonly by: Actor;
  readonly code: string;
  readonly why?: string | undefined;
  readonly because?: readonly Fact[];
}

export type WithoutLast<S> = S extends RolloutState ? Omit<S, 'last'> : never;

export function moveTo(
  from: RolloutState,
  to: WithoutLast<RolloutState>,
  step: Move & { readonly context: RolloutContext },
): StepResult {
  const { by, code, why, because = [], context } = step;
  // Only `last` is missing, and `placeOf` does not read it.
  const place = placeOf({ ...to, last: from.last });
  const transition: Transition = {
    from: placeOf(from),
    to: place,
    by,
    atMs: context.nowMs,
    code,
    why: why ?? null,
    because,
  };
  const state: RolloutState = { ...to, last: transition };
  const record: RolloutEffect = { type: 'record-transition', transition };
  return ok({ state, effects: [record, ...effectsOf(state, context)] });
}

export const refuse = (state: RolloutState, code: ErrorCode): StepResult =>
  err({ code, place: placeOf(state) });

export const unchanged = (state: RolloutState, context: RolloutContext): StepResult =>
  ok({ state, effects: effectsOf(state, context) });

export type Event<T extends RolloutEvent['type']> = Extract<RolloutEvent, { type: T }>;

export const nextWave = (
  running: WithoutLast<RunningState>,
  nowMs: number,
): WithoutLast<RunningState> => ({
  ...running,
  wave: running.wave + 1,
  stage: { kind: 'offering', sinceMs: nowMs },
  replaced: { devices: 0, isExhausted: false },
});

export function completedOf(state: RunningState, nowMs: number): WithoutLast<RolloutState> {
  invariant(state.assignment !== null, 'a rollout completes after membership froze');
  return {
    ...started(state),
    kind: 'completed',
    assignment: state.assignment,
    completedAtMs: nowMs,
  };
}

export const abortingOf = (
  state: RunningState | PausedState,
  code: string,
  { nowMs }: RolloutContext,
): WithoutLast<AbortingState> => ({
  ...started(state),
  kind: 'aborting',
  assignment: state.kind === 'running' ? state.assignment : state.running.assignment,
  code,
  sinceMs: nowMs,
});

export const runningOf = (state: PausedState): RunningState => ({
  ...started(state),
  last: state.last,
  kind: 'running',
  ...state.running,
});

export const common = ({ id, fleet, spec, author, createdAtMs, retry: tries }: RolloutState) => ({
  id,
  fleet,
  spec,
  author,
  createdAtMs,
  retry: tries,
});

export const started = (state: RunningState | PausedState) => ({
  ...common(state),
  order: state.order,
  startedAtMs: state.startedAtMs,
});
