import type { Freshness } from '../../shared/contracts/agent-memory.ts';
import type { BundleConfig } from '../../shared/contracts/bundle-config.ts';

/**
 * How long ago this device verified fresh metadata, by what nobody around it can set: the time it was alive since, and
 * trusted time once this boot has one. The wall clock is no part of it: devices at 1970 and 2106 are not old.
 */
export interface MetadataAge {
  /** Trusted time of the newest refresh that ended well under trusted time; absent before the first. */
  readonly freshAtMs: number | undefined;
  /** Milliseconds alive since then, up to `atMonotonicMs` of this boot. */
  readonly aliveMs: number;
  readonly atMonotonicMs: number;
}

const dayMs = 86_400_000;

/** What an earlier boot wrote down goes on from here; without a record the age begins now. */
export function openMetadataAge(kept: Freshness | undefined, monotonicMs: number): MetadataAge {
  return {
    freshAtMs: kept?.freshAtMs,
    aliveMs: kept?.aliveMs ?? 0,
    atMonotonicMs: monotonicMs,
  };
}

/** A refresh ended well under trusted time. */
export const freshMetadata = (trustedNowMs: number, monotonicMs: number): MetadataAge => ({
  freshAtMs: trustedNowMs,
  aliveMs: 0,
  atMonotonicMs: monotonicMs,
});

/** What the next boot must know. */
export function freshnessOf(age: MetadataAge, monotonicMs: number): Freshness {
  const { freshAtMs } = age;
  return {
    ...(freshAtMs === undefined ? {} : { freshAtMs }),
    aliveMs: aliveSince(age, monotonicMs),
  };
}

/**
 * The longer of the two spans: a device that was switched off for a year does not notice by its own time, and one that
 * never hears a trusted time has only its own.
 */
export function metadataAgeMs(
  age: MetadataAge,
  now: { readonly monotonicMs: number; readonly trustedNowMs: number | undefined },
): number {
  const { freshAtMs } = age;
  const aliveMs = aliveSince(age, now.monotonicMs);
  if (freshAtMs === undefined || now.trustedNowMs === undefined) return aliveMs;
  return Math.max(aliveMs, now.trustedNowMs - freshAtMs);
}

/** A bundle that names no limit runs on whatever the age is. */
export const isOverdue = (stale: BundleConfig['stale'], ageMs: number): boolean =>
  stale !== undefined && ageMs > stale.maxDays * dayMs;

// Real monotonic clocks have fractions; what is written down has none.
const aliveSince = ({ aliveMs, atMonotonicMs }: MetadataAge, monotonicMs: number): number =>
  aliveMs + Math.floor(Math.max(0, monotonicMs - atMonotonicMs));
