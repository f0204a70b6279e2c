/**
 * Time that an attacker with the device's clock, network or broker cannot choose. Until a nonce-bound server time
 * arrives in this boot only a lower bound is known: what runs goes on, going back is free, no install starts.
 */
export interface TrustedTime {
  /** max(build time, persisted floor); never goes back. */
  readonly floorMs: number;
  /** Server time of this boot with the monotonic instant it was received at. */
  readonly anchor: { readonly serverMs: number; readonly atMonotonicMs: number } | undefined;
}

/** Server time plus the monotonic time since, or `undefined` before the first login of this boot. */
export function trustedNow(time: TrustedTime, monotonicMs: number): number | undefined {
  const { anchor, floorMs } = time;
  if (anchor === undefined) return undefined;
  // Real monotonic clocks have fractions; an instant is whole milliseconds wherever it is written down.
  const sinceMs = Math.floor(Math.max(0, monotonicMs - anchor.atMonotonicMs));
  return Math.max(floorMs, anchor.serverMs + sinceMs);
}

export function anchorTime(
  time: TrustedTime,
  serverMs: number,
  atMonotonicMs: number,
): TrustedTime {
  return { ...time, anchor: { serverMs, atMonotonicMs } };
}

/**
 * The floor rises only to times not after the newest verified metadata expiry: a director key that lies about the year
 * 2106 must not shut a device out of every later update.
 */
export function raiseFloor(
  time: TrustedTime,
  now: { readonly monotonicMs: number; readonly newestExpiryMs: number | undefined },
): TrustedTime {
  const nowMs = trustedNow(time, now.monotonicMs);
  const { newestExpiryMs } = now;
  if (nowMs === undefined || newestExpiryMs === undefined || nowMs > newestExpiryMs) return time;
  return nowMs > time.floorMs ? { ...time, floorMs: nowMs } : time;
}
