import type { RolloutState } from '../../fleet-server/core/rollout/rollout-state.ts';
import type { Observer } from './observer.ts';

/** No wave tells more devices than its plan says; who cannot be reached is replaced and does not count. */
export const wavesCapped = (): Observer => ({
  name: 'waves-capped',
  look: ({ rollouts }) =>
    rollouts.flatMap(({ state, offered, unreached }) => {
      const cap = capOf(state);
      const told = offered - unreached;
      return told <= cap ? [] : [`${state.id}: ${told} devices told, ${cap} are planned`];
    }),
});

function capOf(state: RolloutState): number {
  const open = state.kind === 'paused' ? state.running : state;
  if (!('wave' in open)) return Number.POSITIVE_INFINITY;
  if (open.assignment === null) return 0;
  return open.assignment.waveSizes[open.wave] ?? Number.POSITIVE_INFINITY;
}
