import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';
import type { PreviousExit } from './previous-exit.ts';

/** Why the supervisor itself killed the child. */
export type KillReason =
  /** The child asked: a native call hangs, and only SIGKILL ends it. `slot` is what the child blames. */
  | { readonly kind: 'hang'; readonly slot: string; readonly code: string }
  | { readonly kind: 'heartbeat-missed' }
  /** More than its guard allows; with `slot` where the child found the model that is to blame and asked itself. */
  | { readonly kind: 'memory-limit'; readonly slot?: string; readonly code?: string };

export interface RunningChild {
  readonly kind: 'running';
  readonly pid: number;
  /** When silence is judged; each heartbeat moves it. */
  readonly judgedAtMs: number;
  /** Resident bytes it may take; unlimited until it has said so. */
  readonly memoryBytesMax: number;
  /** When it was found beyond that and told to write down what it has to; it is killed a grace later. */
  readonly exceededAtMs?: number;
  /** Set once SIGKILL was sent: the exit that follows has this reason. */
  readonly killed?: KillReason;
}

export interface StoppingChild {
  readonly kind: 'stopping';
  readonly pid: number;
  /** When patience ends; infinite once SIGKILL was sent. */
  readonly killedAtMs: number;
}

export type Child =
  /** `spawn-child` was asked for and has not answered. */
  | { readonly kind: 'starting'; readonly isStopAsked: boolean }
  | RunningChild
  | StoppingChild
  | { readonly kind: 'waiting'; readonly startsAtMs: number }
  | { readonly kind: 'ended' };

/** A trial process of the living child, and what it may take. */
export interface WatchedTrial {
  readonly trial: ProcessIdentity;
  readonly memoryBytesMax: number;
  /** When what it does now must have ended; infinite while nothing long is under way. */
  readonly dueAtMs: number;
}

/** All times are monotonic milliseconds. */
export interface SupervisionState {
  readonly child: Child;
  /** In the order they were reported. */
  readonly trials: readonly WatchedTrial[];
  /** Next look at the memory of child and trials; infinite while there is nothing to see, or a look is under way. */
  readonly looksAtMs: number;
  readonly crashesAtMs: readonly number[];
  readonly previousExit: PreviousExit | undefined;
}

export const firstState: SupervisionState = {
  child: { kind: 'ended' },
  trials: [],
  looksAtMs: Infinity,
  crashesAtMs: [],
  previousExit: undefined,
};
