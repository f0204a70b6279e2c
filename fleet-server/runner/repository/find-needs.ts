import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId, Digest } from '../../../shared/core/ids.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import { openStatuses } from '../../core/model/rollout.ts';
import type { DigestWalk, FoundDigests } from '../../ports/repositories/device-app-repository.ts';
import type { Store } from '../../ports/store.ts';

interface Walk {
  readonly digests: readonly Digest[];
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
}

/**
 * Which bundles devices have or are told to have, and which they would go back to from an open rollout. A million
 * devices are walked through page by page, with a pause after each, because their store has one thread.
 *
 * INVARIANT: offers come first. What a device is sent back to moves from its offer to the device itself, so it is met
 * in one place or the other, whenever it moves. Where the signal aborts, everything is needed.
 */
export async function findNeeds(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  { digests, signal }: Omit<Walk, 'clock'>,
): Promise<{ readonly previous: ReadonlySet<Digest>; readonly onDevices: ReadonlySet<Digest> }> {
  const previous = new Set<Digest>();
  const onDevices = new Set<Digest>();
  const walk = (found: Set<Digest>, read: ReadPage) =>
    walkThrough(found, read, { digests, signal, clock });
  const fleets = await store.read((view) => view.fleets.list());
  for (const { fleet } of fleets) {
    const query = { statuses: openStatuses };
    const page = { limit: limits.storePageMax };
    const open = await store.read((view) => view.rollouts.listVersions(fleet, query, page));
    for (const { rollout } of open) {
      await walk(previous, (asked) =>
        store.read((view) => view.offers.findPrevious(fleet, rollout, asked)),
      );
    }
    await walk(onDevices, (asked) =>
      store.read((view) => view.deviceApps.findNeeded(fleet, asked)),
    );
  }
  return { previous, onDevices };
}

type ReadPage = (asked: DigestWalk) => Promise<FoundDigests>;

/** What was found once is not asked for again: a bundle that is on every device costs one page. */
async function walkThrough(found: Set<Digest>, read: ReadPage, walk: Walk): Promise<void> {
  const { digests, signal, clock } = walk;
  let after: DeviceId | undefined;
  for (;;) {
    const asked = digests.filter((digest) => !found.has(digest));
    if (asked.length === 0) return;
    if (signal?.aborted === true) {
      for (const digest of asked) found.add(digest);
      return;
    }
    const page = { limit: limits.storePageMax, ...(after === undefined ? {} : { after }) };
    const seen = await read({ digests: asked, page });
    for (const digest of seen.digests) found.add(digest);
    if (seen.last === null) return;
    after = seen.last;
    await clock.sleepUntil(clock.monotonicMs() + limits.bundleWalkPauseMs, signal);
  }
}
