import type { DesiredState } from '../../../shared/contracts/desired.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId, Epoch, FleetId } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Target } from './slot.ts';
import type { DurableUpdateEvent } from './update-event.ts';
import type { Seen } from './update-state.ts';

/** Who this device is; an order for anybody else is refused. */
export interface DeviceIdentity {
  readonly fleet: FleetId;
  readonly device: DeviceId;
  /** sha256 of the raw public key, hexadecimal. */
  readonly deviceKey: string;
  readonly epoch: Epoch;
}

export type DesiredRefusal =
  | 'desired-for-another'
  | 'desired-epoch-mismatch'
  | 'stale-generation'
  | 'generation-leaps'
  | 'desired-repeated';

/**
 * Judges a director envelope whose signature was verified. Broker and network may replay, delay or reorder; only
 * what is newer than everything seen has an effect.
 */
export function acceptDesired(
  desired: DesiredState,
  identity: DeviceIdentity,
  seen: Seen,
): Result<Extract<DurableUpdateEvent, { kind: 'desired-accepted' }>, DesiredRefusal> {
  if (
    desired.fleet !== identity.fleet ||
    desired.device !== identity.device ||
    desired.deviceKey !== identity.deviceKey
  ) {
    return err('desired-for-another');
  }
  if (desired.epoch !== identity.epoch) return err('desired-epoch-mismatch');
  const { directorVersion, generation } = desired;
  const order = compareSeen({ directorVersion, generation }, seen);
  if (order < 0) return err('stale-generation');
  if (order === 0) return err('desired-repeated');
  // A new director's count begins where it likes, within the same stride.
  const from = directorVersion === seen.directorVersion ? seen.generation : 0;
  if (generation - from > limits.generationLeapMax) return err('generation-leaps');
  const targets = desired.apps.map(
    (entry): Target => ({ ...entry, rollout: entry.rollout, directorVersion, generation }),
  );
  return ok({
    kind: 'desired-accepted',
    seen: { directorVersion, generation },
    expiresAtMs: desired.expiresAtMs,
    targets,
    revoked: desired.revoked,
  });
}

/** Director keys version first, then generation: a new director starts its own count. */
export function compareSeen(a: Seen, b: Seen): number {
  return a.directorVersion === b.directorVersion
    ? a.generation - b.generation
    : a.directorVersion - b.directorVersion;
}
