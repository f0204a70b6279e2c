import { unreachable } from '../../../shared/core/invariant.ts';
import type { RolloutContext, RolloutEffect, RolloutState, RunningState } from './rollout-state.ts';

/** What the state itself asks for, whatever led to it: run after every step, and after every restart. */
export function effectsOf(state: RolloutState, context: RolloutContext): readonly RolloutEffect[] {
  switch (state.kind) {
    case 'draft':
    case 'awaiting-approval':
      return [];
    case 'running':
      return runningEffects(state, context);
    case 'paused':
      return [];
    case 'completed':
      return [
        { type: 'offer-wave', wave: state.spec.waves.length, retry: state.retry },
        { type: 'publish-secret', secret: state.assignment.secret },
      ];
    case 'aborting':
      return [{ type: 'stop-digest', code: state.code }, { type: 'restore-devices' }];
    case 'aborted':
      return state.assignment === null
        ? []
        : [
            { type: 'stop-digest', code: state.code },
            { type: 'publish-secret', secret: state.assignment.secret },
          ];
    default:
      return unreachable(state);
  }
}

function runningEffects(state: RunningState, context: RolloutContext): readonly RolloutEffect[] {
  if (state.assignment === null) return [{ type: 'freeze-membership' }];
  const offer: RolloutEffect = { type: 'offer-wave', wave: state.wave, retry: state.retry };
  switch (state.stage.kind) {
    case 'offering': {
      const by = context.waveUpdates.unreached - state.replaced.devices;
      const isExtending =
        by > 0 && state.wave < state.spec.waves.length && !state.replaced.isExhausted;
      return isExtending ? [{ type: 'extend-wave', wave: state.wave, by }, offer] : [offer];
    }
    case 'soaking':
      // Offers go on: a device that was unreached may appear during the soak.
      return [offer, { type: 'look-at', atMs: state.stage.untilMs }];
    case 'judging':
      return [offer];
    default:
      return unreachable(state.stage);
  }
}
