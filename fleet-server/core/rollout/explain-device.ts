import type { DesiredEntry } from '../../../shared/contracts/desired.ts';
import type { Explanation } from '../../../shared/contracts/explanation.ts';
import type { DeviceId, RolloutId } from '../../../shared/core/ids.ts';
import type { AppDecision, Considered } from './decide-desired.ts';
import { blockingClauses } from './fact-sentence.ts';

/**
 * Why a device has the entry it has, from the very decision that acts. Asked about one rollout, it answers for that
 * one; else for the newest rollout that waits, because that is what people wonder about.
 */
export function explainDevice(
  device: DeviceId,
  decision: AppDecision,
  rollout?: RolloutId,
): Explanation {
  const { app, entry } = decision;
  const asked = decision.considered.find((considered) =>
    rollout === undefined ? considered.outcome === 'waits' : considered.rollout === rollout,
  );
  const has = entry === null ? `is given no bundle of ${app}` : `is given ${nameOf(entry)}`;
  switch (decision.decision) {
    case 'offer':
    case 'restore':
    case 'withdraw':
      return {
        sentence: `${device} ${has}: ${acts(decision)}.`,
        decision: decision.decision,
        because: [...(offered(decision)?.facts ?? [])],
      };
    case 'keep':
      return asked === undefined || asked.outcome === 'stands'
        ? { sentence: `${device} ${has}; nothing waits.`, decision: 'keep', because: [] }
        : { ...explainWait(`${device} ${has}`, asked), decision: 'keep' };
  }
}

const explainWait = (start: string, asked: Considered): Omit<Explanation, 'decision'> => ({
  sentence: `${start}; ${asked.rollout} waits: ${blockingClauses(asked.facts)}.`,
  because: [...asked.facts],
});

function acts({ decision, rollout }: AppDecision): string {
  if (decision === 'offer') return `it is its turn in ${rollout ?? 'no rollout'}`;
  const cause = rollout === null ? 'its bundle is revoked' : `${rollout} was aborted or revoked`;
  return decision === 'restore' ? `it goes back, because ${cause}` : cause;
}

const offered = ({ considered }: AppDecision): Considered | undefined =>
  considered.find(({ outcome }) => outcome === 'offered');

const nameOf = (entry: DesiredEntry): string => entry.path.slice(entry.path.lastIndexOf('/') + 1);
