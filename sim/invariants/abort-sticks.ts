import type { RolloutId } from '../../shared/core/ids.ts';
import type { Observer } from './observer.ts';

/** Nobody is told a bundle after its rollout was halted, and a halted rollout never runs again. */
export function abortSticks(): Observer {
  const halted = new Map<RolloutId, number>();
  return {
    name: 'abort-sticks',
    look: ({ rollouts }) =>
      rollouts.flatMap(({ state: { id, kind }, offered }) => {
        const before = halted.get(id);
        const isHalted = kind === 'aborting' || kind === 'aborted';
        if (before === undefined) {
          if (isHalted) halted.set(id, offered);
          return [];
        }
        if (!isHalted) return [`${id} is ${kind} again`];
        return offered > before
          ? [`${id}: ${offered - before} devices told after it was halted`]
          : [];
      }),
  };
}
