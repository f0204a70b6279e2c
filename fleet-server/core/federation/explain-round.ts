import type { Explanation, Fact } from '../../../shared/contracts/explanation.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import { updatesMin } from './decide-selection.ts';
import { type RoundState, reportingOf } from './round-state.ts';
import { deadlineOf, type RoundContext, ruleOf, selectionOf } from './step-round.ts';

/** Where a round stands and what it waits for or why it ended; `eligible` matters while it selects. */
export function explainRound(
  state: RoundState,
  eligible: readonly DeviceId[],
  context: RoundContext,
): Explanation {
  const { plan, phase } = state;
  return {
    sentence: `${plan.round} (${plan.request.app}) is ${phase}: ${clauseOf(state, eligible, context)}.`,
    decision: phase,
    because: factsOf(state, eligible, context),
  };
}

function clauseOf(state: RoundState, eligible: readonly DeviceId[], context: RoundContext): string {
  const { invited, counted, refused } = reportingOf(state);
  const { goalDevices } = state.plan.request.training;
  const leftMs = Math.max(0, deadlineOf(state) - context.nowMs);
  switch (state.phase) {
    case 'selecting': {
      const selection = selectionOf(state, eligible, context);
      const [fact] = selection.because;
      const limit = String(fact?.limit ?? goalDevices);
      return `${eligible.length} of ${limit} devices are eligible, ${leftMs} ms are left`;
    }
    case 'configuring':
      return `${invited.length} devices are being invited`;
    case 'reporting':
      return `${counted} of ${goalDevices} updates counted, ${refused} refused, ${leftMs} ms are left`;
    case 'aggregated':
      if (state.candidate === null)
        return `${counted} updates are summed, a candidate is being built`;
      return state.candidate.rollout === null
        ? `${state.candidate.path} is published and waits for its rollout`
        : `${state.candidate.path} is rolled out by ${state.candidate.rollout}`;
    case 'completed':
      return `${state.candidate.path} runs, made of ${counted} updates`;
    case 'candidate-rejected':
      return `${counted} updates made a candidate that ended with ${state.reason}`;
    case 'abandoned': {
      const updates = `with ${counted} of at least ${updatesMin(ruleOf(state.plan))} updates`;
      const gone = state.candidate === undefined ? '' : `; ${state.candidate.path} is taken back`;
      return `given up while ${state.from}, ${state.reason}, ${updates}${gone}`;
    }
  }
}

function factsOf(state: RoundState, eligible: readonly DeviceId[], context: RoundContext): Fact[] {
  if (state.phase === 'selecting') return [...selectionOf(state, eligible, context).because];
  const { invited, counted, refused } = reportingOf(state);
  const least = updatesMin(ruleOf(state.plan));
  const facts: Fact[] = [
    { name: 'devices-invited', value: invited.length, limit: null, blocks: false },
    {
      name: 'updates-counted',
      value: counted,
      limit: state.phase === 'reporting' ? state.plan.request.training.goalDevices : least,
      blocks: state.phase === 'reporting' || counted < least,
    },
    { name: 'updates-refused', value: refused, limit: null, blocks: false },
  ];
  if (state.phase === 'abandoned' || state.phase === 'candidate-rejected') {
    facts.push({ name: 'reason', value: state.reason, limit: null, blocks: true });
  }
  return facts;
}
