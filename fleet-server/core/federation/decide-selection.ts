import type { Fact } from '../../../shared/contracts/explanation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { hexOf, utf8 } from '../../../shared/core/bytes.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import { hmacSha256 } from '../../../shared/trust/hash.ts';

export interface SelectionRule {
  /** Updates the round waits for. */
  readonly goalDevices: number;
  /** Share of the goal that is enough once the time is up. */
  readonly minimumShare: number;
  /** Smallest cohort the bundle was signed for. */
  readonly floorDevices: number;
  /** Drawn when the round was created, so that nobody can place devices in its cohort beforehand. */
  readonly secret: Uint8Array;
}

/** Devices that are online, accepted and run the round's bundle, in any order. */
export interface EligibleDevices {
  readonly devices: readonly DeviceId[];
  /** No more waiting: the selection's time is up. */
  readonly isLate: boolean;
}

export type Selection =
  | {
      readonly kind: 'select';
      readonly devices: readonly DeviceId[];
      readonly because: readonly Fact[];
    }
  | { readonly kind: 'wait' | 'abandon'; readonly because: readonly Fact[] };

/**
 * Invited for each update that is needed: 6 to 10 % of devices drop out of a round (Bonawitz et
 * al., 2019, section 9).
 */
export const overSelection = 1.3;

/** Smallest number of updates that is worth aggregating, never below the signed floor. */
export function updatesMin(
  rule: Pick<SelectionRule, 'goalDevices' | 'minimumShare' | 'floorDevices'>,
): number {
  return Math.max(1, rule.floorDevices, Math.ceil(rule.goalDevices * rule.minimumShare));
}

/**
 * The cohort of a round: 130 % of the goal, in the order of HMAC(secret, device), so the same secret and fleet give the
 * same cohort. Waits for a full cohort; when time is up it goes on with enough for the minimum, or not at all.
 */
export function decideSelection(rule: SelectionRule, eligible: EligibleDevices): Selection {
  const wanted = Math.min(limits.roundDevicesMax, Math.ceil(rule.goalDevices * overSelection));
  const least = updatesMin(rule);
  const count = eligible.devices.length;
  const isEnough = count >= (eligible.isLate ? least : wanted);
  const because: Fact[] = [
    {
      name: 'eligible-devices',
      value: count,
      limit: eligible.isLate ? least : wanted,
      blocks: !isEnough,
    },
    { name: 'time-is-up', value: eligible.isLate, limit: null, blocks: false },
  ];
  if (!isEnough) return { kind: eligible.isLate ? 'abandon' : 'wait', because };
  const devices = eligible.devices
    .map((device) => ({
      device,
      key: hexOf(hmacSha256(rule.secret, utf8(`round/${device}`))),
    }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .slice(0, wanted)
    .map(({ device }) => device)
    .sort();
  return { kind: 'select', devices, because };
}
