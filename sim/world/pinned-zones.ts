import type { Zones } from '../../shared/ports/zones.ts';
import { zoneTransitions } from './generated/zone-transitions.ts';

/**
 * Zones from a table that is the same on every machine and in every Node, for 2020 to 2040; before and after, the first
 * and the last offset of the table hold.
 */
export class PinnedZones implements Zones {
  /** The zones a scenario may name, sorted. */
  readonly names = Object.keys(zoneTransitions).sort();

  offsetMinutes(name: string, atMs: number): number | undefined {
    if (!Object.hasOwn(zoneTransitions, name)) return undefined;
    const transitions = zoneTransitions[name] ?? [];
    let low = 0;
    let high = transitions.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((transitions[middle]?.[0] ?? 0) <= atMs) low = middle;
      else high = middle - 1;
    }
    return transitions[low]?.[1];
  }
}
