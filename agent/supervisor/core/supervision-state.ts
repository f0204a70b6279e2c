import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';
import type { PreviousExit } from './previous-exit.ts';

/** Why the supervisor itself killed the child. */
export type KillReason =
  /** The child asked: a native call hangs, and only SIGKILL ends it. `slot` is what the child blames. */
  | { readonly kind: 'hang'; readonly slot: string; readonly code: string }
  | { readonly kind: 'heartbeat-missed' };

export interface RunningChild {
  readonly kind: 'running';
  readonly pid: number;
  /** When silence is judged; each heartbeat moves it. */
  readonly judgedAtMs: number;
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

/** All times are monotonic milliseconds. */
export interface SupervisionState {
  readonly child: Child;
  /** Trial processes of the living child, in the order they were reported. */
  readonly trials: readonly ProcessIdentity[];
  readonly crashesAtMs: readonly number[];
  readonly previousExit: PreviousExit | undefined;
}

export const firstState: SupervisionState = {
  child: { kind: 'ended' },
  trials: [],
  crashesAtMs: [],
  previousExit: undefined,
};
