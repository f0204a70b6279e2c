import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';
import type { PreviousExit } from './previous-exit.ts';
import type { SupervisionPolicy } from './supervision-policy.ts';
import type { SupervisionState } from './supervision-state.ts';
import type { SupervisorMessage, TrialKillReason } from './supervisor-message.ts';

export type SupervisionEffect =
  /** Written before the child starts again, so that a crash of the supervisor forgets nothing. */
  | { readonly kind: 'write-exit'; readonly exit: PreviousExit }
  | { readonly kind: 'kill-orphans'; readonly orphans: readonly ProcessIdentity[] }
  /** Answered by `memory-read`. */
  | {
      readonly kind: 'read-memory';
      readonly trials: readonly ProcessIdentity[];
      readonly isChildGuarded: boolean;
    }
  | { readonly kind: 'tell-child'; readonly message: SupervisorMessage }
  | {
      readonly kind: 'kill-trial';
      readonly trial: ProcessIdentity;
      readonly reason: TrialKillReason;
    }
  | { readonly kind: 'spawn-child'; readonly previous: PreviousExit | undefined }
  | { readonly kind: 'signal-child'; readonly signal: 'SIGTERM' | 'SIGKILL' }
  | { readonly kind: 'end'; readonly exitCode: number };

export interface SupervisionContext {
  readonly nowMs: number;
  readonly policy: SupervisionPolicy;
}

export interface SupervisionStep {
  readonly state: SupervisionState;
  readonly effects: readonly SupervisionEffect[];
}
