import type { Enrolment } from '../../../shared/contracts/enrolment.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Claim } from '../model/access.ts';
import type { Device } from '../model/device.ts';
import { matchesGlob } from '../targeting/match-filter.ts';

export type EnrolmentRefusal =
  | 'claim-unknown'
  | 'claim-expired'
  | 'claim-used-up'
  | 'claim-id-mismatch'
  | 'device-known';

export type EnrolmentDecision =
  | { readonly kind: 'admit'; readonly state: 'pending' | 'accepted' }
  /** The same device asks again with the same key: its answer was lost, nothing changes. */
  | { readonly kind: 'known'; readonly state: Device['state'] };

export interface EnrolmentFacts {
  readonly request: Enrolment;
  readonly claim: Claim | null;
  /** The device of that id, if there is one. */
  readonly known: Device | null;
  readonly nowMs: number;
}

/** Whether a claim lets a device in. A claim never replaces the key of a known id. */
export function decideEnrolment({
  request,
  claim,
  known,
  nowMs,
}: EnrolmentFacts): Result<EnrolmentDecision, EnrolmentRefusal> {
  if (known !== null) {
    return known.publicKey === request.publicKey
      ? ok({ kind: 'known', state: known.state })
      : err('device-known');
  }
  if (claim === null) return err('claim-unknown');
  if (claim.expiresAtMs <= nowMs) return err('claim-expired');
  if (claim.usesLeft < 1) return err('claim-used-up');
  if (!matchesGlob(claim.idPattern, request.device)) return err('claim-id-mismatch');
  return ok({ kind: 'admit', state: claim.preAuthorized ? 'accepted' : 'pending' });
}
