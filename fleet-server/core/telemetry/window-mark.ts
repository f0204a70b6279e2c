import { limits } from '../../../shared/contracts/limits.ts';
import type { WindowMark } from '../model/telemetry.ts';

export type Placement = 'new' | 'duplicate' | 'too-far-ahead';

/**
 * Where a window stands in its outbox. A device numbers its windows from 1 and sends a sealed window again unchanged,
 * so the mark alone tells a new window from one that was counted: nothing else is looked up.
 *
 * - at or below the mark, or inside a range above the gap: `duplicate`; it is acknowledged again, never counted again;
 * - above more gaps than a device can have in flight: `too-far-ahead`; it is neither stored nor acknowledged.
 */
export function placeWindow(
  mark: WindowMark,
  window: { readonly first: number; readonly last: number },
): { readonly placement: Placement; readonly mark: WindowMark } {
  const { first, last } = window;
  // Numbers start at 1; a range that ends before it begins can only be answered by silence.
  if (first < 1 || last < first) return { placement: 'too-far-ahead', mark };
  const isKnown =
    first <= mark.durable || mark.ahead.some(([from, to]) => first >= from && first <= to);
  if (isKnown) return { placement: 'duplicate', mark };
  const ranges = [...mark.ahead, [first, last] as const].sort((a, b) => a[0] - b[0]);
  const { durable, ahead } = contiguous(mark.durable, ranges);
  if (ahead.length > limits.windowRangesAheadMax) return { placement: 'too-far-ahead', mark };
  return { placement: 'new', mark: { ...mark, durable, ahead } };
}

type Range = readonly [first: number, last: number];

/** Moves the mark over every range that touches it and joins ranges that touch each other. */
function contiguous(durable: number, ranges: readonly Range[]) {
  let reached = durable;
  const ahead: Range[] = [];
  for (const [first, last] of ranges) {
    const [from, to] = ahead.at(-1) ?? [0, 0];
    if (ahead.length === 0 && first <= reached + 1) reached = Math.max(reached, last);
    else if (ahead.length > 0 && first <= to + 1) {
      ahead[ahead.length - 1] = [from, Math.max(to, last)];
    } else ahead.push([first, last]);
  }
  return { durable: reached, ahead };
}
