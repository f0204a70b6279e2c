import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import type { DeviceApp } from '../model/device-app.ts';

export interface ChosenRevocations {
  /** Sorted; at most `limits.revokedPerOrderMax`. */
  readonly revoked: readonly Digest[];
  /** How many of the list the order does not carry; the device learns these from `revoked.json` alone. */
  readonly left: number;
}

/**
 * What an order forbids. It hurries what `revoked.json` says anyway; where it cannot carry the whole list, what the
 * device is known to hold or is offered comes first, because only that could run.
 */
export function chooseRevoked(
  listed: ReadonlySet<Digest>,
  near: ReadonlySet<Digest>,
): ChosenRevocations {
  const sorted = [...listed].sort();
  const max = limits.revokedPerOrderMax;
  if (sorted.length <= max) return { revoked: sorted, left: 0 };
  const ranked = [
    ...sorted.filter((digest) => near.has(digest)),
    ...sorted.filter((digest) => !near.has(digest)),
  ];
  return { revoked: ranked.slice(0, max).sort(), left: sorted.length - max };
}

/** Bundles that the device may have on its disk or is about to fetch, as far as the server knows. */
export function bundlesNear(apps: readonly DeviceApp[]): ReadonlySet<Digest> {
  const near = apps.flatMap(({ desired, previous, active, lastGood, target, refused }) => [
    ...[desired?.digest, previous?.digest, active, lastGood, target?.digest],
    ...refused.map(({ digest }) => digest),
  ]);
  return new Set(near.filter((digest) => digest !== null && digest !== undefined));
}
