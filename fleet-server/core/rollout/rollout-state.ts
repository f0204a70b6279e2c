import type { CohortTotals, UpdateCounts } from '../../../shared/contracts/cohort-totals.ts';
import type { Fact } from '../../../shared/contracts/explanation.ts';
import type { ApprovalBinding, RolloutSpec } from '../../../shared/contracts/rollout.ts';
import type { FleetId, RolloutId } from '../../../shared/core/ids.ts';
import type { Assignment } from './assignment.ts';

/** Who caused a transition: a person through the API, or Skein itself on evidence. */
export type Actor = { readonly kind: 'person'; readonly name: string } | { readonly kind: 'skein' };

/** One line of a rollout's history, written in the transaction that stores the new state. */
export interface Transition {
  readonly from: RolloutPlace;
  readonly to: RolloutPlace;
  readonly by: Actor;
  readonly atMs: number;
  /** Code of the catalogue, or of the device where its reason explains an abort. */
  readonly code: string;
  /** The person's own words. */
  readonly why: string | null;
  /** The numbers it rests on. */
  readonly because: readonly Fact[];
}

/** Where a rollout stands, in one short text such as `running wave 2 soaking`. */
export type RolloutPlace = string;

interface RolloutCommon {
  readonly id: RolloutId;
  readonly fleet: FleetId;
  readonly spec: RolloutSpec;
  readonly author: string;
  readonly createdAtMs: number;
  /** Rises with each `retry`; devices try a refused digest again only for a higher one. */
  readonly retry: number;
  /** The newest transition. */
  readonly last: Transition;
}

/** Set when it starts: the order of claims. Given by the store, unique in the fleet, rising. */
interface StartedCommon extends RolloutCommon {
  readonly order: number;
  readonly startedAtMs: number;
}

export type RolloutState =
  | DraftState
  | AwaitingApprovalState
  | RunningState
  | PausedState
  | CompletedState
  | AbortingState
  | AbortedState;

export interface DraftState extends RolloutCommon {
  readonly kind: 'draft';
}

export interface AwaitingApprovalState extends RolloutCommon {
  readonly kind: 'awaiting-approval';
  readonly binding: ApprovalBinding;
}

export interface RunningState extends StartedCommon {
  readonly kind: 'running';
  /** Null until membership froze. */
  readonly assignment: Assignment | null;
  /** Index into `spec.waves`; `spec.waves.length` is the holdback and all others that follow. */
  readonly wave: number;
  readonly stage: Stage;
  readonly looks: Looks;
  readonly replaced: Replaced;
}

export type Stage =
  | { readonly kind: 'offering'; readonly sinceMs: number }
  | { readonly kind: 'soaking'; readonly sinceMs: number; readonly untilMs: number }
  | { readonly kind: 'judging'; readonly sinceMs: number };

/** Looks taken so far, and the evidence at the newest one: the next is due when it has grown by a quarter. */
export interface Looks {
  readonly count: number;
  readonly outcomes: number;
  readonly inferences: number;
}

/** Unreached devices of this wave that were replaced; exhausted when no member was left to take. */
export interface Replaced {
  readonly devices: number;
  readonly isExhausted: boolean;
}

export interface PausedState extends StartedCommon {
  readonly kind: 'paused';
  readonly running: Pick<RunningState, 'assignment' | 'wave' | 'stage' | 'looks' | 'replaced'>;
  readonly sinceMs: number;
}

export interface CompletedState extends StartedCommon {
  readonly kind: 'completed';
  readonly assignment: Assignment;
  readonly completedAtMs: number;
}

/** Exposed devices go back to their previous entries. The digest is sticky from here on. */
export interface AbortingState extends StartedCommon {
  readonly kind: 'aborting';
  readonly assignment: Assignment | null;
  readonly code: string;
  readonly sinceMs: number;
}

/** Every reachable exposed device runs its previous entry again. */
export interface AbortedState extends RolloutCommon {
  readonly kind: 'aborted';
  /** Null when it never started. */
  readonly order: number | null;
  readonly assignment: Assignment | null;
  readonly code: string;
  readonly abortedAtMs: number;
}

export type RolloutEvent =
  | { readonly type: 'submitted'; readonly by: Actor; readonly order: number }
  /** Drafts and unapproved rollouts only; voids what was approved. */
  | { readonly type: 'edited'; readonly by: Actor; readonly spec: RolloutSpec }
  | {
      readonly type: 'approved';
      readonly by: Actor;
      /** What the approver was shown. */
      readonly binding: ApprovalBinding;
      readonly order: number;
    }
  | { readonly type: 'denied'; readonly by: Actor; readonly why: string }
  | { readonly type: 'membership-frozen'; readonly assignment: Assignment }
  /** Membership could not be frozen, such as `no-members`: back to draft. */
  | { readonly type: 'freeze-failed'; readonly code: string }
  /** `added` is lower than what was asked for when no member is left. */
  | {
      readonly type: 'wave-extended';
      readonly wave: number;
      readonly assignment: Assignment;
      readonly added: number;
      readonly asked: number;
    }
  /** Evidence or time may have changed: compare, and take the next step. */
  | { readonly type: 'looked' }
  | { readonly type: 'paused'; readonly by: Actor; readonly why: string }
  | { readonly type: 'resumed'; readonly by: Actor; readonly why: string }
  | { readonly type: 'promoted'; readonly by: Actor; readonly why: string }
  | { readonly type: 'aborted'; readonly by: Actor; readonly why: string; readonly code?: string }
  | { readonly type: 'retried'; readonly by: Actor; readonly why: string };

export interface RolloutContext {
  readonly nowMs: number;
  /**
   * Counters kept by `countTransition`: reading them costs nothing per device. `control` may always be given;
   * `decideProgress` leaves it out where the rollout has none.
   */
  readonly totals: CohortTotals;
  /** Exposures of the open wave alone. */
  readonly waveUpdates: UpdateCounts;
  /** Members of the open wave that can still be offered the bundle, now or when their window opens. */
  readonly offerable: number;
  /** Members of the open wave that cannot: claimed by another rollout, digest refused there. */
  readonly blocked: number;
  readonly digest: DigestStanding;
}

/** `stopped`: aborted or regressed before in this fleet. `revoked` wins. */
export type DigestStanding = 'clear' | 'stopped' | 'revoked';

/** Every effect is idempotent: the runner derives them again from the stored state after a crash. */
export type RolloutEffect =
  | { readonly type: 'record-transition'; readonly transition: Transition }
  /** Count members, draw a secret, `planAssignment`, `cutAssignment`; answer `membership-frozen` or `freeze-failed`. */
  | { readonly type: 'freeze-membership' }
  /** One batch of members without exposure (and of exposures below `retry`): `decideDesired` each, store, sign. */
  | { readonly type: 'offer-wave'; readonly wave: number; readonly retry: number }
  /** `membersAfter` and `extendWave`; answer `wave-extended`. */
  | { readonly type: 'extend-wave'; readonly wave: number; readonly by: number }
  /** One batch of exposures not yet restoring: `decideDesired` each, store, sign. */
  | { readonly type: 'restore-devices' }
  /** From now on nothing offers the digest without `overrideStop`. */
  | { readonly type: 'stop-digest'; readonly code: string }
  | { readonly type: 'publish-secret'; readonly secret: string }
  /** Send `looked` at this instant at the latest; new evidence may come earlier. */
  | { readonly type: 'look-at'; readonly atMs: number };

export function placeOf(state: RolloutState): RolloutPlace {
  const at = state.kind === 'running' ? state : state.kind === 'paused' ? state.running : undefined;
  if (at === undefined) return state.kind;
  const wave = at.wave >= state.spec.waves.length ? 'follow' : `wave ${at.wave + 1}`;
  const stage = at.assignment === null ? 'freezing' : at.stage.kind;
  return `${state.kind} ${wave} ${stage}`;
}
