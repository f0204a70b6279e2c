import type { BundleStatus } from '../model/bundle.ts';
import type { RolloutStatus } from '../model/rollout.ts';

/** Statuses in which a rollout may still hand its bundle to a device, or wants to. */
export const namingStatuses: readonly RolloutStatus[] = [
  'draft',
  'awaiting-approval',
  'running',
  'paused',
  'aborting',
];

/** Everything that may still ask for the content of one path, in all fleets that have a row of it. */
export interface ContentFacts {
  /** The path's row in each fleet. Its blobs are held once, so the fleets must agree. */
  readonly rows: readonly { readonly status: BundleStatus; readonly statusSinceMs: number }[];
  /** A device that may come back runs it, keeps it, or is told to. */
  readonly isOnDevices: boolean;
  /** A device would go back to it from an open rollout. */
  readonly isPrevious: boolean;
  readonly isRolledOut: boolean;
  /** It is the base or the parent of an open round, or its candidate. */
  readonly isInRound: boolean;
  /** A bundle that has its content descends from it: devices compare the two. */
  readonly isParent: boolean;
}

export type ContentKeeper = 'live' | 'young' | 'device' | 'offer' | 'rollout' | 'round' | 'child';

/**
 * Why the content of a bundle stays, or `undefined` where nobody needs it any more. A bundle that is retired or revoked
 * is installed by nobody: what is left are devices that have it and may have to fetch a rotten blob again, whoever
 * goes back to it, and what is compared with it. Revoked ones go by the same rule: a device keeps its own.
 */
export function decideContentKeeper(
  facts: ContentFacts,
  { nowMs, keptMs }: { readonly nowMs: number; readonly keptMs: number },
): ContentKeeper | undefined {
  const { rows } = facts;
  if (rows.length === 0 || rows.some(({ status }) => status === 'live')) return 'live';
  if (rows.some(({ statusSinceMs }) => statusSinceMs > nowMs - keptMs)) return 'young';
  if (facts.isOnDevices) return 'device';
  if (facts.isPrevious) return 'offer';
  if (facts.isRolledOut) return 'rollout';
  if (facts.isInRound) return 'round';
  return facts.isParent ? 'child' : undefined;
}
