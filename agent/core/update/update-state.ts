import type { AppName, Digest } from '../../../shared/core/ids.ts';
import type { ProbationTerms, Refusal, Slot, Target } from './slot.ts';

/** Where an app's session runs: trials in a disposable process, committed models in a worker. */
export type SessionHost = 'process' | 'worker';

/** What answers live inputs in this boot. */
export interface Running {
  readonly slot: Slot;
  readonly host: SessionHost;
  readonly sinceMonotonicMs: number;
  readonly probation: ProbationTerms;
  /** Inferences answered since activation. */
  readonly inferences: number;
}

/** The update in progress of one app; each phase holds only what it needs. */
export type Attempt =
  | {
      readonly phase: 'fetching' | 'verifying' | 'staging' | 'self-testing';
      readonly target: Target;
      /** Set after a failure that may pass: not tried before this instant. */
      readonly notBeforeMonotonicMs: number;
      readonly failures: number;
      /** Code of the newest such failure. */
      readonly waitsFor: string | undefined;
    }
  | {
      readonly phase: 'probation';
      readonly target: Target;
      /** Activations of this digest under this generation; on disk before each activation. */
      readonly activations: number;
      /** The newest activation was counted in this boot and is under way; volatile. */
      readonly begun: boolean;
    };

/** How the newest finished attempt ended; what `up/reported` says. */
export type Outcome =
  | { readonly kind: 'committed'; readonly target: Target }
  | {
      readonly kind: 'reverted';
      readonly target: Target;
      readonly reason: string;
      /** It had been committed: the guard stays armed after commit. */
      readonly regressed: boolean;
      /** Monotonic instant of the verdict, for the time to the first answer of the previous model; volatile. */
      readonly verdictMonotonicMs: number | undefined;
    };

export interface AppState {
  readonly app: AppName;
  /** Wanted by the newest envelope. */
  readonly wanted: Target | undefined;
  /** An order once named the app and the newest one does not: it stops, and nothing is wiped. */
  readonly isWithdrawn: boolean;
  /**
   * Nothing it holds was allowed to run any more when it was withdrawn: its default answer stays. The server takes an
   * order back as soon as it hears of a revocation or a verdict, and that must not silence what stands in.
   */
  readonly wasForbidden: boolean;
  readonly attempt: Attempt | undefined;
  /** Committed and still held, newest first; the first is last-good and is never deleted. */
  readonly held: readonly Slot[];
  readonly outcome: Outcome | undefined;
  readonly running: Running | undefined;
  readonly standIn: StandIn | undefined;
}

/** What was looked through for a default answer while no model may answer; volatile. */
export interface StandIn {
  readonly candidates: readonly Digest[];
  /** Whose default answer is given; absent when none of them has one. */
  readonly slot: Slot | undefined;
}

/** Largest (directorVersion, generation) whose envelope was verified here. */
export interface Seen {
  readonly directorVersion: number;
  readonly generation: number;
}

export interface UpdateState {
  readonly seen: Seen;
  /** Gates the start of an install only. */
  readonly desiredExpiresAtMs: number;
  /** By app name; iterate through `sortedApps`. */
  readonly apps: ReadonlyMap<AppName, AppState>;
  readonly refusals: readonly Refusal[];
  /** Everything that must not run; only ever grows within an enrolment. */
  readonly revoked: ReadonlySet<Digest>;
  /** Revoked with `replace`: see `isReplaced`; only ever grows within an enrolment. */
  readonly replaced: ReadonlySet<Digest>;
}

export const initialUpdateState: UpdateState = {
  seen: { directorVersion: 0, generation: 0 },
  desiredExpiresAtMs: 0,
  apps: new Map(),
  refusals: [],
  revoked: new Set(),
  replaced: new Set(),
};

/** Apps in name order, because a map's order is the order of arrival. */
export function sortedApps(state: UpdateState): AppState[] {
  return [...state.apps.values()].sort((a, b) => (a.app < b.app ? -1 : a.app > b.app ? 1 : 0));
}

/** Revoked, or judged here. A judged slot stays so until it has proven itself again under a higher retry. */
export const isForbidden = (state: UpdateState, digest: Digest): boolean =>
  state.revoked.has(digest) || state.refusals.some((refusal) => refusal.digest === digest);

/**
 * To be replaced: it is never installed, tried or gone back to again. The newest proven bundle of an app goes on
 * though, over restarts too, until another one has committed: a fleet that is told to replace must not go dark.
 */
export const isReplaced = (state: UpdateState, app: AppState, digest: Digest): boolean =>
  state.replaced.has(digest) && app.held[0]?.digest !== digest;

/** The refusal that stands against trying `slot`, if any. */
export const refusalOf = (state: UpdateState, slot: Slot): Refusal | undefined =>
  state.refusals.find((refusal) => refusal.digest === slot.digest && refusal.retry >= slot.retry);
