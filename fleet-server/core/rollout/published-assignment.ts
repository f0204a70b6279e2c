import type { Assignment } from './assignment.ts';
import type { RolloutState } from './rollout-state.ts';

/**
 * What `publish-secret` stands for: secret and boundaries, once nobody can use them any more to choose where a device
 * comes in. Undefined while the rollout may still offer by waves, and where membership never froze.
 */
export function publishedAssignment(state: RolloutState): Assignment | undefined {
  if (state.kind !== 'completed' && state.kind !== 'aborted') return undefined;
  return state.assignment ?? undefined;
}
