import { limits } from '../../../shared/contracts/limits.ts';

/**
 * Wait before the next try: full jitter, uniform over [0, min(max, first * 2^(failures - 1))), so that devices which
 * failed together do not come back together. `unit` is uniform in [0, 1); a wait the origin asked for is the least.
 */
export function decideBackoffMs(
  failures: number,
  unit: number,
  retryAfterMs: number | undefined,
): number {
  let spanMs: number = limits.blobBackoffFirstMs;
  for (let i = 1; i < failures && spanMs < limits.blobBackoffMaxMs; i += 1) spanMs *= 2;
  const jitterMs = unit * Math.min(limits.blobBackoffMaxMs, spanMs);
  return Math.max(retryAfterMs ?? 0, Math.ceil(jitterMs));
}
