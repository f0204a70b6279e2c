import type { Digest } from '../../../shared/core/ids.ts';
import type { SlotName } from './store-path.ts';

/** What must stay. Everything else on the device may be fetched again. */
export interface GarbageRoots {
  /** Current, last-good, older committed and staging slots. */
  readonly slots: readonly SlotName[];
  /** Digests that are being fetched, or are fetched for a slot not staged yet. */
  readonly downloads: readonly Digest[];
  /** Judged bundles: their manifests stay, so that a person can see what was refused. */
  readonly refused: readonly Digest[];
}

export interface StoreContents {
  readonly slots: readonly {
    readonly slot: SlotName;
    /** Undefined when the slot has no readable index. */
    readonly digests: readonly Digest[] | undefined;
  }[];
  readonly blobs: readonly Digest[];
  readonly parts: readonly Digest[];
}

export interface Garbage {
  readonly slots: readonly SlotName[];
  readonly blobs: readonly Digest[];
  readonly parts: readonly Digest[];
  /** Slots that stay and cannot say what they hold: no blob is taken while there is one. */
  readonly unreadable: readonly SlotName[];
}

/**
 * Mark and sweep over content addresses. Errs towards keeping: a root that is not there marks nothing, a kept slot
 * whose index cannot be read stops the sweep of blobs.
 */
export function decideGarbage(contents: StoreContents, roots: GarbageRoots): Garbage {
  const keyOf = ({ app, digest }: SlotName): string => `${app} ${digest}`;
  const keptKeys = new Set(roots.slots.map(keyOf));
  const kept = contents.slots.filter(({ slot }) => keptKeys.has(keyOf(slot)));
  const unreadable = kept.filter(({ digests }) => digests === undefined).map(({ slot }) => slot);
  const marked = new Set<Digest>([
    ...roots.downloads,
    ...roots.refused,
    ...roots.slots.map(({ digest }) => digest),
    ...kept.flatMap(({ digests }) => digests ?? []),
  ]);
  const active = new Set(roots.downloads);
  return {
    slots: contents.slots.map(({ slot }) => slot).filter((slot) => !keptKeys.has(keyOf(slot))),
    blobs: unreadable.length > 0 ? [] : contents.blobs.filter((digest) => !marked.has(digest)),
    parts: contents.parts.filter((digest) => !active.has(digest)),
    unreadable,
  };
}
