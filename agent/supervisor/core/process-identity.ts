import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';

/** From a message of either side; `undefined` for what names no process that may be killed. */
export function identityOf(value: unknown): ProcessIdentity | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, birth } = value as Record<string, unknown>;
  // 0, 1 and negative numbers name process groups, init, everybody.
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 2) return undefined;
  return typeof birth === 'string' ? { pid, birth } : undefined;
}

export const isSame = (a: ProcessIdentity, b: ProcessIdentity): boolean =>
  a.pid === b.pid && a.birth === b.birth;
