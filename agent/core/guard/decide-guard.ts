import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import { limits as bounds } from '../../../shared/contracts/limits.ts';
import type { RecentFacts } from './recent-outcomes.ts';

/** Signed in the bundle, capped by the device's owner. */
export interface GuardLimits {
  readonly errorShareMax: number;
  readonly latencyP95MsMax: number;
  readonly confidenceMin: number;
  /** Inferences a judgement needs. */
  readonly inferencesMin: number;
  readonly memoryBytesMax: number;
  /** Kills of this slot that are still forgiven; 0 in probation, where the disposable process takes the blow. */
  readonly killsMax: number;
}

/** What the supervisor counted against the slot since it was last judged, and what it measures now. */
export interface SlotFacts {
  readonly hangs: number;
  readonly crashes: number;
  readonly memoryKills: number;
  /** Undefined when it cannot be told. */
  readonly residentBytes: number | undefined;
}

export const noSlotFacts: SlotFacts = {
  hangs: 0,
  crashes: 0,
  memoryKills: 0,
  residentBytes: undefined,
};

/** One comparison that was made: the explanation of a verdict is the list of them. */
export interface GuardFact {
  readonly name:
    | 'hangs'
    | 'crashes'
    | 'memory-kills'
    | 'memory'
    | 'errors'
    | 'latency'
    | 'confidence';
  readonly value: number;
  readonly limit: number;
  /** Observations behind the value. */
  readonly n: number;
  readonly unit: 'count' | 'bytes' | 'share' | 'ms';
  /** `waiting`: too few observations to judge. */
  readonly finding: 'within' | 'beyond' | 'waiting';
}

export type GuardReason = Extract<
  ErrorCode,
  | 'model-hung'
  | 'model-crashed'
  | 'memory-limit'
  | 'error-share-exceeded'
  | 'latency-exceeded'
  | 'confidence-collapsed'
>;

export type GuardDecision =
  | { readonly verdict: 'keep'; readonly facts: readonly GuardFact[] }
  | {
      readonly verdict: 'revert';
      readonly reason: GuardReason;
      readonly because: GuardFact;
      readonly facts: readonly GuardFact[];
    };

/** By severity: what took the process down is named before what only answered badly. */
const reasons: ReadonlyMap<GuardFact['name'], GuardReason> = new Map([
  ['hangs', 'model-hung'],
  ['crashes', 'model-crashed'],
  ['memory-kills', 'memory-limit'],
  ['memory', 'memory-limit'],
  ['errors', 'error-share-exceeded'],
  ['latency', 'latency-exceeded'],
  ['confidence', 'confidence-collapsed'],
]);

/**
 * Whether the model that runs may go on; asked in probation and after commit, after every outcome or batch of them.
 * Pure and without memory: the same facts always give the same verdict, with every value and limit it rests on.
 */
export function decideGuard(
  limits: GuardLimits,
  recent: RecentFacts,
  slot: SlotFacts = noSlotFacts,
): GuardDecision {
  const facts = [...killFacts(limits, slot), ...answerFacts(limits, recent)];
  const because = facts.find((fact) => fact.finding === 'beyond');
  const reason = because === undefined ? undefined : reasons.get(because.name);
  if (because === undefined || reason === undefined) return { verdict: 'keep', facts };
  return { verdict: 'revert', reason, because, facts };
}

function killFacts(limits: GuardLimits, slot: SlotFacts): GuardFact[] {
  const kill = (name: 'hangs' | 'crashes' | 'memory-kills', value: number): GuardFact => ({
    name,
    value,
    limit: limits.killsMax,
    n: value,
    unit: 'count',
    finding: value > limits.killsMax ? 'beyond' : 'within',
  });
  const kills = [
    kill('hangs', slot.hangs),
    kill('crashes', slot.crashes),
    kill('memory-kills', slot.memoryKills),
  ];
  if (slot.residentBytes === undefined) return kills;
  return [
    ...kills,
    {
      name: 'memory',
      value: slot.residentBytes,
      limit: limits.memoryBytesMax,
      n: 1,
      unit: 'bytes',
      finding: slot.residentBytes > limits.memoryBytesMax ? 'beyond' : 'within',
    },
  ];
}

function answerFacts(limits: GuardLimits, recent: RecentFacts): GuardFact[] {
  // A bundle that asks for more than the ring holds would never be judged.
  const needed = Math.min(bounds.guardRecentMax, Math.max(1, limits.inferencesMin));
  const isEnough = recent.outcomes >= needed;
  // Certain before the sample is full: even if the rest of it succeeded, the share would stay beyond the limit.
  const isLost = recent.failures > limits.errorShareMax * Math.max(needed, recent.outcomes);
  const share = recent.outcomes === 0 ? 0 : recent.failures / recent.outcomes;
  const hasAnswers = recent.answers >= needed;
  const judged = (isJudgeable: boolean, isBeyond: boolean): GuardFact['finding'] =>
    !isJudgeable ? 'waiting' : isBeyond ? 'beyond' : 'within';
  const latency = recent.latencyP95Ms ?? 0;
  const confidence = recent.confidenceMean ?? 0;
  return [
    {
      name: 'errors',
      value: share,
      limit: limits.errorShareMax,
      n: recent.outcomes,
      unit: 'share',
      finding: judged(isEnough || isLost, isLost),
    },
    {
      name: 'latency',
      value: latency,
      limit: limits.latencyP95MsMax,
      n: recent.answers,
      unit: 'ms',
      finding: judged(hasAnswers, latency > limits.latencyP95MsMax),
    },
    {
      name: 'confidence',
      value: confidence,
      limit: limits.confidenceMin,
      n: recent.answers,
      unit: 'share',
      finding: judged(hasAnswers, confidence < limits.confidenceMin),
    },
  ];
}
