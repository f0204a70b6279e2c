import { limits } from '../../../shared/contracts/limits.ts';
import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';

/** What the agent tells its supervisor. */
export type ChildMessage =
  | { readonly kind: 'heartbeat' }
  /** Sent after the verdict is durable: a native call hangs in `slot`. */
  | { readonly kind: 'kill-me'; readonly slot: string; readonly code: string }
  /** Sent before the trial loads its model, so that it can be killed whatever happens to the agent. */
  | { readonly kind: 'trial-started'; readonly trial: ProcessIdentity }
  | { readonly kind: 'trial-ended'; readonly trial: ProcessIdentity };

/** `undefined` for anything else: a broken child must not break its supervisor. */
export function childMessageOf(value: unknown): ChildMessage | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  const message = value as Record<string, unknown>;
  switch (value.kind) {
    case 'heartbeat':
      return { kind: 'heartbeat' };
    case 'kill-me':
      return { kind: 'kill-me', slot: textOf(message['slot']), code: textOf(message['code']) };
    case 'trial-started':
    case 'trial-ended': {
      const trial = identityOf(message['trial']);
      return trial === undefined ? undefined : { kind: value.kind, trial };
    }
    default:
      return undefined;
  }
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, limits.exitReasonCharsMax) : '';

function identityOf(value: unknown): ProcessIdentity | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, birth } = value as Record<string, unknown>;
  // 0, 1 and negative numbers name process groups, init, everybody.
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 2) return undefined;
  return typeof birth === 'string' ? { pid, birth } : undefined;
}
