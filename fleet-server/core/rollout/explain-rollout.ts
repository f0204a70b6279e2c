import type { Explanation } from '../../../shared/contracts/explanation.ts';
import type { Progress } from './decide-progress.ts';
import { blockingClauses } from './fact-sentence.ts';
import { placeOf, type RolloutState } from './rollout-state.ts';

/**
 * Where a rollout stands and why, from the return value of the `decideProgress` that acts (null for a rollout that
 * does not run: then its last transition is the reason).
 */
export function explainRollout(state: RolloutState, progress: Progress | null): Explanation {
  const place = placeOf(state);
  if (progress === null || state.kind !== 'running') {
    const { by, code, why, because } = state.last;
    const who = by.kind === 'person' ? by.name : 'Skein';
    const words = why === null || why === '' ? '' : ` ("${why}")`;
    const clauses = blockingClauses(because);
    const reason = clauses === '' ? '' : `: ${clauses}`;
    return {
      sentence: `${state.id} is ${place} since ${who} decided so, ${code}${words}${reason}.`,
      decision: state.kind,
      because: [...because],
    };
  }
  const clauses = blockingClauses(progress.because);
  const reason = clauses === '' ? '' : `: ${clauses}`;
  return {
    sentence: `${state.id} is ${place} and ${moves[progress.move]}${reason}.`,
    decision: progress.move,
    because: [...progress.because],
  };
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
