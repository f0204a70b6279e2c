import type { Fact } from '../../../shared/contracts/explanation.ts';
import type { Regression } from '../model/regression.ts';
import type { RolloutState } from './rollout-state.ts';

/**
 * How many regressions of its bundle speak against a rollout. A rollout that runs judges those of its own
 * devices by its gates, where they are failed updates; what it has passed with is not held against it later.
 * Everything else was judged by nobody: what came after it completed, and what other rollouts of the bundle met.
 */
export function unjudgedRegressions(
  state: RolloutState,
  regressions: readonly Regression[],
): number {
  return regressions
    .filter(({ digest }) => digest === state.spec.digest)
    .filter(({ rollout, lastAtMs }) =>
      rollout === state.id ? state.kind === 'completed' && lastAtMs > state.completedAtMs : true,
    )
    .reduce((sum, { count }) => sum + count, 0);
}

/** Whether it stops other offers of the rollout's bundle, and how often that was. */
export function souredFact(state: RolloutState, regressions: readonly Regression[]): Fact {
  const value = unjudgedRegressions(state, regressions);
  return { name: 'regressions', value, limit: 0, blocks: value > 0 && !state.spec.overrideStop };
}
