import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';
import { identityOf } from './process-identity.ts';

/** Why the supervisor ended a trial; both are codes of the catalogue. */
export type TrialKillReason = 'memory-limit' | 'inference-timeout';

/** What the supervisor tells the agent. */
export type SupervisorMessage =
  /** Sent before the kill, so that the agent knows the reason when it reaps the trial. */
  | {
      readonly kind: 'trial-killed';
      readonly trial: ProcessIdentity;
      readonly reason: TrialKillReason;
    }
  /** The agent itself is over its limit and is killed in a moment: what is to be written down is written now. */
  | { readonly kind: 'memory-exceeded' };

/** `undefined` for anything else: other rooms may use the line too. */
export function supervisorMessageOf(value: unknown): SupervisorMessage | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  if (value.kind === 'memory-exceeded') return { kind: 'memory-exceeded' };
  if (value.kind !== 'trial-killed') return undefined;
  const { trial: named, reason } = value as Record<string, unknown>;
  if (reason !== 'memory-limit' && reason !== 'inference-timeout') return undefined;
  const trial = identityOf(named);
  return trial === undefined ? undefined : { kind: 'trial-killed', trial, reason };
}
