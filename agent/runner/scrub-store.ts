import type { Digest } from '../../shared/core/ids.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import { blobFolder, digestOfName, type SlotName } from '../core/store/store-path.ts';
import type { ContentStore, StoreFailure } from './content-store.ts';
import type { SlotStore } from './slot-store.ts';

export interface ScrubOptions {
  readonly disk: DeviceDisk;
  readonly clock: Clock;
  readonly content: ContentStore;
  readonly slots: SlotStore;
  /** Slots that may run; they are looked through after the blobs. */
  readonly watched: readonly SlotName[];
  /** Reading is spread so thin that it does not compete with inference for the disk. */
  readonly bytesPerSecond: number;
  readonly signal?: AbortSignal;
}

export type ScrubFinding =
  | { readonly kind: 'blob-intact'; readonly digest: Digest }
  | { readonly kind: 'blob-removed'; readonly digest: Digest }
  | { readonly kind: 'slot-intact'; readonly slot: SlotName }
  | { readonly kind: 'slot-broken'; readonly slot: SlotName; readonly failure: StoreFailure };

/**
 * Reads everything once, blob by blob and slot by slot, and tells what it found. Rot is acted on at once (the file is
 * unlinked, so it is fetched again); what follows for a running model is the caller's decision. Ends early on abort.
 */
export async function* scrubStore(options: ScrubOptions): AsyncGenerator<ScrubFinding> {
  const { disk, clock, content, slots, signal } = options;
  const pace = async (bytes: number): Promise<void> => {
    const pauseMs = (bytes * 1000) / options.bytesPerSecond;
    await clock.sleepUntil(clock.monotonicMs() + pauseMs, signal);
  };
  for (const name of await disk.list(blobFolder)) {
    if (signal?.aborted === true) return;
    const digest = digestOfName(name);
    if (digest === undefined) continue;
    const checked = await content.checkBlob(digest, pace);
    if (checked.ok) yield { kind: 'blob-intact', digest };
    else if (checked.error.code === 'blob-corrupt') yield { kind: 'blob-removed', digest };
  }
  for (const slot of options.watched) {
    if (signal?.aborted === true) return;
    const checked = await slots.checkSlot(slot, pace);
    yield checked.ok
      ? { kind: 'slot-intact', slot }
      : { kind: 'slot-broken', slot, failure: checked.error };
  }
}
