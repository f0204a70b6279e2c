import type { CandidateEvidence, RoundRequest } from '../../../shared/contracts/federation.ts';
import type {
  DeviceId,
  Digest,
  FleetId,
  RolloutId,
  RoundId,
  TargetPath,
} from '../../../shared/core/ids.ts';

/** What the signed bundle says about rounds; copied when the round is created, because a bundle never changes. */
export interface SignedTraining {
  /** Elements per parameter, in declared order. */
  readonly elements: readonly number[];
  readonly clipNorm: number;
  readonly floors: {
    readonly devices: number;
    readonly samples: number;
    readonly epochsMax: number;
  };
}

export interface RoundPlan {
  readonly round: RoundId;
  readonly fleet: FleetId;
  readonly request: RoundRequest;
  readonly training: SignedTraining;
  /** Signed offline: a candidate may differ from it by trained tensors. The request's own bundle, or its parent. */
  readonly parent: Digest;
  /** Hexadecimal; orders the cohort. */
  readonly secret: string;
  readonly author: string;
  readonly createdAtMs: number;
}

/** A signed, published candidate. */
export interface Candidate {
  readonly path: TargetPath;
  readonly digest: Digest;
  readonly evidence: CandidateEvidence;
  readonly rollout: RolloutId | null;
}

interface Reporting {
  readonly invited: readonly DeviceId[];
  readonly counted: number;
  readonly refused: number;
}

/** `since` is when the phase began; deadlines are counted from it. JSON as it is stored. */
export type RoundState = { readonly plan: RoundPlan; readonly sinceMs: number } & (
  | { readonly phase: 'selecting' }
  | { readonly phase: 'configuring'; readonly invited: readonly DeviceId[] }
  | ({ readonly phase: 'reporting' } & Reporting)
  | ({
      readonly phase: 'aggregated';
      readonly tries: number;
      readonly candidate: Candidate | null;
    } & Reporting)
  | ({ readonly phase: 'completed'; readonly candidate: Candidate } & Reporting)
  | ({
      readonly phase: 'candidate-rejected';
      readonly reason: string;
      readonly evidence: CandidateEvidence | null;
    } & Reporting)
  | ({
      readonly phase: 'abandoned';
      readonly from: RoundPhase;
      readonly reason: string;
      /** Published before the round was given up; its rollout goes with the round. Rounds of old have none. */
      readonly candidate?: Candidate;
    } & Reporting)
);

/** Each phase of a round, in the order of its life. */
export const roundPhases: readonly string[] = Object.keys({
  selecting: true,
  configuring: true,
  reporting: true,
  aggregated: true,
  completed: true,
  'candidate-rejected': true,
  abandoned: true,
} satisfies Record<RoundState['phase'], true>);

export type RoundPhase =
  | 'selecting'
  | 'configuring'
  | 'reporting'
  | 'aggregated'
  | 'completed'
  | 'candidate-rejected'
  | 'abandoned';

/** Rounds that may still move. */
export const openPhases: ReadonlySet<string> = new Set<RoundPhase>([
  'selecting',
  'configuring',
  'reporting',
  'aggregated',
]);

export type RoundEvent =
  /** The clock, with the devices that could take part now (read while selecting only). */
  | { readonly type: 'looked'; readonly eligible: readonly DeviceId[] }
  | { readonly type: 'orders-signed' }
  | { readonly type: 'update-counted' }
  | { readonly type: 'update-refused' }
  | {
      readonly type: 'candidate-published';
      readonly candidate: Omit<Candidate, 'rollout'>;
    }
  | {
      readonly type: 'candidate-refused';
      readonly reason: string;
      readonly evidence: CandidateEvidence | null;
    }
  /** The building process ended early: says nothing about the candidate. */
  | { readonly type: 'candidate-failed' }
  | { readonly type: 'rollout-started'; readonly rollout: RolloutId }
  | { readonly type: 'rollout-ended'; readonly completed: boolean; readonly reason: string }
  | { readonly type: 'person-abandoned' };

/** What a phase asks for. Derived from the state, so that it is asked again after a crash; each is idempotent. */
export type RoundEffect =
  | { readonly kind: 'sign-orders'; readonly devices: readonly DeviceId[] }
  | { readonly kind: 'build-candidate' }
  | { readonly kind: 'start-rollout'; readonly candidate: Candidate }
  | { readonly kind: 'abort-rollout'; readonly candidate: Candidate }
  | { readonly kind: 'forget-updates' };

/** Bundles that a round works with: what devices learn from, what a candidate is compared with, and the candidate. */
export function bundlesOf(state: RoundState): readonly Digest[] {
  const { request, parent } = state.plan;
  const candidate = ('candidate' in state ? state.candidate : null) ?? null;
  return [request.bundle.digest, parent, ...(candidate === null ? [] : [candidate.digest])];
}

/** Cohort and counts, which early phases do not have yet. */
export function reportingOf(state: RoundState): Reporting {
  const invited = 'invited' in state ? state.invited : [];
  return 'counted' in state
    ? { invited, counted: state.counted, refused: state.refused }
    : { invited, counted: 0, refused: 0 };
}
