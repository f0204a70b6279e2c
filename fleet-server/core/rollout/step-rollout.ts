import type { RolloutSpec } from '../../../shared/contracts/rollout.ts';
import type { FleetId, RolloutId } from '../../../shared/core/ids.ts';
import { unreachable } from '../../../shared/core/invariant.ts';
import type { VerdictPolicy } from './decide-verdict.ts';
import type { StepResult } from './rollout-move.ts';
import {
  abort,
  approve,
  deny,
  edit,
  pause,
  promote,
  resume,
  retry,
  submit,
} from './rollout-orders.ts';
import type {
  Actor,
  DraftState,
  RolloutContext,
  RolloutEvent,
  RolloutState,
  Transition,
} from './rollout-state.ts';
import { extended, freezeFailed, frozen, look } from './rollout-turns.ts';

export function createRollout(input: {
  readonly id: RolloutId;
  readonly fleet: FleetId;
  readonly spec: RolloutSpec;
  readonly author: string;
  readonly nowMs: number;
}): DraftState {
  const { nowMs, author, ...rest } = input;
  const by: Actor = { kind: 'person', name: author };
  const last: Transition = {
    from: 'nothing',
    to: 'draft',
    by,
    atMs: nowMs,
    code: 'person-decided',
    why: null,
    because: [],
  };
  return { kind: 'draft', ...rest, author, createdAtMs: nowMs, retry: 0, last };
}

/**
 * `draft -> [awaiting-approval] -> running(wave: offering -> soaking -> judging) -> completed`, with `paused` and
 * `aborting -> aborted`. Orders of people are refused with a code where they do not fit; events of the machinery
 * that come late are nothing. `policy` is the statistics behind the verdict.
 */
export function stepRollout(
  state: RolloutState,
  event: RolloutEvent,
  context: RolloutContext,
  policy?: VerdictPolicy,
): StepResult {
  switch (event.type) {
    case 'submitted':
      return submit(state, event, context);
    case 'edited':
      return edit(state, event, context);
    case 'approved':
      return approve(state, event, context);
    case 'denied':
      return deny(state, event, context);
    case 'membership-frozen':
      return frozen(state, event, context);
    case 'freeze-failed':
      return freezeFailed(state, event.code, context);
    case 'wave-extended':
      return extended(state, event, context);
    case 'looked':
      return look(state, context, policy);
    case 'paused':
      return pause(state, event, context);
    case 'resumed':
      return resume(state, event, context);
    case 'promoted':
      return promote(state, event, context);
    case 'aborted':
      return abort(state, event, context);
    case 'retried':
      return retry(state, event, context);
    default:
      return unreachable(event);
  }
}
