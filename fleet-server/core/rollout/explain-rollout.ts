import type { Explanation, Fact } from '../../../shared/contracts/explanation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { Progress } from './decide-progress.ts';
import { asideClauses, blockingClauses } from './fact-sentence.ts';
import { placeOf, type RolloutState } from './rollout-state.ts';

/**
 * Where a rollout stands and why, from the return value of the `decideProgress` that acts (null for a rollout that
 * does not run: then its last transition is the reason, and `since` is what has come to stand in the way after it).
 */
export function explainRollout(
  state: RolloutState,
  progress: Progress | null,
  since: readonly Fact[] = [],
): Explanation {
  const place = placeOf(state);
  if (progress === null || state.kind !== 'running') {
    const { by, code, why, because } = state.last;
    const who = by.kind === 'person' ? by.name : 'Skein';
    const words = why === null || why === '' ? '' : ` ("${why}")`;
    const reason = `${reasonOf(because)}${reasonOf(since)}`;
    return {
      sentence: `${state.id} is ${place} since ${who} decided so, ${code}${words}${reason}.`,
      decision: state.kind,
      because: [...because.slice(0, limits.becauseMax - since.length), ...since],
    };
  }
  const reason = reasonOf(progress.because);
  return {
    sentence: `${state.id} is ${place} and ${moves[progress.move]}${reason}.`,
    decision: progress.move,
    because: [...progress.because],
  };
}

function reasonOf(because: readonly Fact[]): string {
  const blocking = blockingClauses(because);
  const aside = asideClauses(because);
  return `${blocking === '' ? '' : `: ${blocking}`}${aside === '' ? '' : ` (${aside})`}`;
}

const moves: Readonly<Record<Progress['move'], string>> = {
  freeze: 'counts its members',
  offer: 'offers the bundle',
  extend: 'replaces devices that were not reached',
  wait: 'waits',
  soak: 'starts to soak',
  judge: 'is judged next',
  promote: 'goes on to the next wave',
  complete: 'is complete',
  abort: 'aborts',
};
