import { limits } from '../../../shared/contracts/limits.ts';
import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';
import { identityOf } from './process-identity.ts';

/** What the agent tells its supervisor. */
export type ChildMessage =
  | { readonly kind: 'heartbeat' }
  /** Sent after the verdict is durable: a native call hangs in `slot`. */
  | { readonly kind: 'kill-me'; readonly slot: string; readonly code: string }
  /**
   * Sent before the trial loads its model, so that it can be judged and killed whatever happens to the agent.
   * `memoryBytesMax` is what the bundle asks for, capped by the owner; `dueInMs` is when it must have loaded.
   */
  | {
      readonly kind: 'trial-started';
      readonly trial: ProcessIdentity;
      readonly memoryBytesMax: number;
      readonly dueInMs: number;
    }
  /** By when what the trial does now must have ended; absent: nothing is under way that takes long. */
  | { readonly kind: 'trial-due'; readonly trial: ProcessIdentity; readonly dueInMs?: number }
  | { readonly kind: 'trial-ended'; readonly trial: ProcessIdentity }
  /** Resident bytes beyond which the agent itself, with the models in its workers, is ended. */
  | { readonly kind: 'guard-memory'; readonly bytesMax: number };

/** `undefined` for anything else: a broken child must not break its supervisor. */
export function childMessageOf(value: unknown): ChildMessage | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  const message = value as Record<string, unknown>;
  switch (value.kind) {
    case 'heartbeat':
      return { kind: 'heartbeat' };
    case 'kill-me':
      return { kind: 'kill-me', slot: textOf(message['slot']), code: textOf(message['code']) };
    case 'guard-memory': {
      const bytesMax = countOf(message['bytesMax']);
      return bytesMax === undefined ? undefined : { kind: 'guard-memory', bytesMax };
    }
    case 'trial-started':
    case 'trial-due':
    case 'trial-ended': {
      const trial = identityOf(message['trial']);
      return trial === undefined ? undefined : trialMessage(value.kind, trial, message);
    }
    default:
      return undefined;
  }
}

function trialMessage(
  kind: 'trial-started' | 'trial-due' | 'trial-ended',
  trial: ProcessIdentity,
  message: Record<string, unknown>,
): ChildMessage | undefined {
  if (kind === 'trial-ended') return { kind, trial };
  const dueInMs = countOf(message['dueInMs']);
  if (kind === 'trial-due') return { kind, trial, ...(dueInMs === undefined ? {} : { dueInMs }) };
  const memoryBytesMax = countOf(message['memoryBytesMax']);
  return memoryBytesMax === undefined || dueInMs === undefined
    ? undefined
    : { kind, trial, memoryBytesMax, dueInMs };
}

const countOf = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 0 ? value : undefined;

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, limits.exitReasonCharsMax) : '';
