import type { EnrolmentState } from '../../../shared/contracts/enrolment.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';
import type { Device } from '../model/device.ts';

export const standingOrders = ['accept', 'reject', 'decommission'] as const;
export type StandingOrder = (typeof standingOrders)[number];

/**
 * What a person's order makes of a device. The same order twice changes nothing. An accepted device is ended by
 * decommission alone, because only that cuts its sessions; a decommissioned one stays so.
 */
export function decideStanding(
  state: EnrolmentState,
  order: StandingOrder,
): Result<EnrolmentState, 'device-wrong-state'> {
  const [to, from] = moves[order];
  if (state === to) return ok(to);
  return from.includes(state) ? ok(to) : err('device-wrong-state');
}

const moves: Readonly<Record<StandingOrder, readonly [EnrolmentState, readonly EnrolmentState[]]>> =
  {
    accept: ['accepted', ['pending', 'rejected']],
    reject: ['rejected', ['pending']],
    decommission: ['decommissioned', ['pending', 'accepted', 'rejected']],
  };

/** What a person sees of a device when deciding about it: who accepts it, accepts this key and no other. */
export function deviceTag({ state, tags, keyDigest, epoch }: Device): string {
  return sha256Hex(utf8(canonicalJson({ state, tags: { ...tags }, keyDigest, epoch }))).slice(
    0,
    32,
  );
}
