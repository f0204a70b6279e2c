/**
 * The fixed update start time (5.1), as an argument. `trusted`: vouched for by the server's
 * signature or by the operator's
 * machine. `at-least`: only a lower bound is known (build time, persisted floor), so what it shows as expired is
 * expired, but freshness is not proven and no install may start from it.
 */
export type UpdateTime =
  | { readonly kind: 'trusted'; readonly nowMs: number }
  | { readonly kind: 'at-least'; readonly nowMs: number };

/** 5.3.10 and its sisters: the expiry must be higher than the start time. */
export function isExpired(body: { readonly expiresAtMs: number }, time: UpdateTime): boolean {
  return body.expiresAtMs <= time.nowMs;
}
