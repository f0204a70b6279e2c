import { limits } from '../../../shared/contracts/limits.ts';
import { bytesOfHex } from '../../../shared/core/bytes.ts';
import {
  decideSelection,
  type Selection,
  type SelectionRule,
  updatesMin,
} from './decide-selection.ts';
import {
  openPhases,
  type RoundEffect,
  type RoundEvent,
  type RoundPlan,
  type RoundState,
  reportingOf,
} from './round-state.ts';

export interface RoundStep {
  readonly state: RoundState;
  /** Owed by the new state. */
  readonly effects: readonly RoundEffect[];
}

export interface RoundContext {
  readonly nowMs: number;
}

export const createRound = (plan: RoundPlan): RoundState => ({
  plan,
  sinceMs: plan.createdAtMs,
  phase: 'selecting',
});

/**
 * `selecting -> configuring -> reporting -> aggregated -> completed | candidate-rejected`, and from any open phase
 * `abandoned` (Bonawitz et al., 2019, section 4, with the candidate's rollout behind it). Events that come late are
 * nothing.
 */
export function stepRound(state: RoundState, event: RoundEvent, context: RoundContext): RoundStep {
  const next = nextState(state, event, context);
  return { state: next, effects: effectsOf(next) };
}

function nextState(state: RoundState, event: RoundEvent, context: RoundContext): RoundState {
  if (!openPhases.has(state.phase)) return state;
  if (event.type === 'person-abandoned') return abandon(state, 'person-decided', context);
  switch (state.phase) {
    case 'selecting':
      return event.type === 'looked' ? select(state, event.eligible, context) : state;
    case 'configuring':
      if (event.type === 'orders-signed') {
        const { plan, invited } = state;
        const sinceMs = context.nowMs;
        return { plan, sinceMs, phase: 'reporting', invited, counted: 0, refused: 0 };
      }
      return event.type === 'looked' && isLate(state, context)
        ? abandon(state, 'round-too-few-updates', context)
        : state;
    case 'reporting':
      return count(state, event, context);
    case 'aggregated':
      return judge(state, event, context);
    case 'completed':
    case 'candidate-rejected':
    case 'abandoned':
      return state;
  }
}

/** What `selecting` waits for; the answer that `explainRound` prints too. */
export function selectionOf(
  state: RoundState,
  eligible: Extract<RoundEvent, { type: 'looked' }>['eligible'],
  context: RoundContext,
): Selection {
  const rule = { ...ruleOf(state.plan), secret: bytesOfHex(state.plan.secret) ?? new Uint8Array() };
  return decideSelection(rule, { devices: eligible, isLate: isLate(state, context) });
}

function select(
  state: Extract<RoundState, { phase: 'selecting' }>,
  eligible: Extract<RoundEvent, { type: 'looked' }>['eligible'],
  context: RoundContext,
): RoundState {
  const selection = selectionOf(state, eligible, context);
  switch (selection.kind) {
    case 'wait':
      return state;
    case 'abandon':
      return abandon(state, 'round-too-few-devices', context);
    case 'select': {
      const { plan } = state;
      const sinceMs = context.nowMs;
      return { plan, sinceMs, phase: 'configuring', invited: selection.devices };
    }
  }
}

/** The goal ends the reporting; so does the deadline, with the minimum or without. */
function count(
  state: Extract<RoundState, { phase: 'reporting' }>,
  event: RoundEvent,
  context: RoundContext,
): RoundState {
  const counted = state.counted + (event.type === 'update-counted' ? 1 : 0);
  const refused = state.refused + (event.type === 'update-refused' ? 1 : 0);
  const now = { ...state, counted, refused };
  const { plan, invited } = now;
  const isGoal = counted >= plan.request.training.goalDevices;
  // Everybody has answered: waiting for the deadline would bring nothing.
  const isOver = isLate(state, context) || counted + refused >= invited.length;
  if (isGoal || (isOver && counted >= updatesMin(ruleOf(plan)))) {
    return {
      ...{ plan, invited, counted, refused },
      ...{ sinceMs: context.nowMs, phase: 'aggregated', tries: 0, candidate: null },
    };
  }
  return isOver ? abandon(now, 'round-too-few-updates', context) : now;
}

function judge(
  state: Extract<RoundState, { phase: 'aggregated' }>,
  event: RoundEvent,
  context: RoundContext,
): RoundState {
  const { plan, candidate } = state;
  const ended = { plan, sinceMs: context.nowMs, ...reportingOf(state) };
  switch (event.type) {
    case 'candidate-published':
      return candidate === null
        ? { ...state, candidate: { ...event.candidate, rollout: null } }
        : state;
    case 'candidate-refused':
      return {
        ...ended,
        phase: 'candidate-rejected',
        reason: event.reason,
        evidence: event.evidence,
      };
    case 'candidate-failed': {
      const tries = state.tries + 1;
      return tries < limits.candidateTriesMax
        ? { ...state, tries }
        : abandon(state, 'candidate-build-failed', context);
    }
    case 'rollout-started':
      return candidate === null || candidate.rollout !== null
        ? state
        : { ...state, candidate: { ...candidate, rollout: event.rollout } };
    case 'rollout-ended':
      if (candidate === null) return state;
      return event.completed
        ? { ...ended, phase: 'completed', candidate }
        : {
            ...ended,
            phase: 'candidate-rejected',
            reason: event.reason,
            evidence: candidate.evidence,
          };
    case 'looked':
    case 'orders-signed':
    case 'update-counted':
    case 'update-refused':
    case 'person-abandoned':
      return state;
  }
}

function abandon(state: RoundState, reason: string, { nowMs }: RoundContext): RoundState {
  const { plan, phase: from } = state;
  const candidate = state.phase === 'aggregated' ? state.candidate : null;
  return {
    ...{ plan, sinceMs: nowMs, phase: 'abandoned', from, reason, ...reportingOf(state) },
    ...(candidate === null ? {} : { candidate }),
  };
}

const isLate = (state: RoundState, { nowMs }: RoundContext): boolean => nowMs >= deadlineOf(state);

/** When the phase ends by itself; nothing ends building and rollout, which have limits of their own. */
export function deadlineOf({ plan, phase, sinceMs }: RoundState): number {
  switch (phase) {
    case 'selecting':
      return sinceMs + plan.request.selectionMs;
    case 'configuring':
    case 'reporting':
      return sinceMs + plan.request.reportingMs;
    case 'aggregated':
    case 'completed':
    case 'candidate-rejected':
    case 'abandoned':
      return Number.POSITIVE_INFINITY;
  }
}

export const ruleOf = ({ request, training }: RoundPlan): Omit<SelectionRule, 'secret'> => ({
  goalDevices: request.training.goalDevices,
  minimumShare: request.minimumShare,
  floorDevices: training.floors.devices,
});

/** After a crash the runner asks this again. */
export function effectsOf(state: RoundState): readonly RoundEffect[] {
  switch (state.phase) {
    case 'selecting':
    case 'reporting':
      return [];
    case 'configuring':
      return [{ kind: 'sign-orders', devices: state.invited }];
    case 'aggregated': {
      const { candidate } = state;
      if (candidate === null) return [{ kind: 'build-candidate' }];
      return candidate.rollout === null ? [{ kind: 'start-rollout', candidate }] : [];
    }
    case 'abandoned': {
      const { candidate } = state;
      const forget = { kind: 'forget-updates' } as const;
      return candidate === undefined ? [forget] : [{ kind: 'abort-rollout', candidate }, forget];
    }
    case 'completed':
    case 'candidate-rejected':
      return [{ kind: 'forget-updates' }];
  }
}
