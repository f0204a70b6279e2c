import { limits } from '../../shared/contracts/limits.ts';
import type { AppName, Digest } from '../../shared/core/ids.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import type { Log } from '../../shared/ports/log.ts';
import { garbageRootsOf } from '../core/store/garbage-roots.ts';
import type { SlotName } from '../core/store/store-path.ts';
import type { DurableUpdateEvent } from '../core/update/update-event.ts';
import { sortedApps, type UpdateState } from '../core/update/update-state.ts';
import { collectGarbage } from './collect-garbage.ts';
import type { ContentStore } from './content-store.ts';
import { scrubStore } from './scrub-store.ts';
import type { Redundancy, SlotStore } from './slot-store.ts';

export interface StoreKeeperOptions {
  readonly disk: DeviceDisk;
  readonly clock: Clock;
  readonly log: Log;
  readonly content: ContentStore;
  readonly slots: SlotStore;
  readonly updates: () => HeldSlots;
}

/** The update runner, as far as a scrub needs it. */
interface HeldSlots {
  readonly state: UpdateState;
  record(event: DurableUpdateEvent): Promise<void>;
}

/** Looks after what lies on disk: frees what nothing needs, doubles last-good, and reads everything again for rot. */
export class StoreKeeper {
  readonly #options: StoreKeeperOptions;
  readonly #redundancy = new Map<AppName, Redundancy>();

  constructor(options: StoreKeeperOptions) {
    this.#options = options;
  }

  /** By app, how well the bundle to go back to is kept; absent while there is none. */
  get redundancy(): ReadonlyMap<AppName, Redundancy> {
    return this.#redundancy;
  }

  /** Gives `lastGood` copies of its own of what it shares with `active`, before `active` answers anything. */
  async protect(app: AppName, lastGood: Digest, active: Digest): Promise<void> {
    const kept = await this.#options.slots.protect(
      { app, digest: lastGood },
      { app, digest: active },
    );
    if (kept.ok) this.#redundancy.set(app, kept.value);
    else this.#redundancy.delete(app);
  }

  /** False: something is under way, and what it needs cannot be told from garbage yet. */
  async sweep(state: UpdateState): Promise<boolean> {
    const roots = garbageRootsOf(state);
    if (roots === undefined) return false;
    const { disk, slots, log } = this.#options;
    try {
      const { slots: gone, blobs, unreadable } = await collectGarbage(disk, slots, roots);
      const counts = { slots: gone.length, blobs: blobs.length, unreadable: unreadable.length };
      const fields = { event: 'garbage-collected', ...counts };
      if (gone.length + blobs.length > 0) log.info(fields, 'what nothing needs was removed');
    } catch (error) {
      // Garbage takes space and does no harm; the next sweep finds it again.
      log.warn({ event: 'sweep-failed', code: codeOf(error), error }, 'garbage was left behind');
    }
    return true;
  }

  /** Scrubs once a period until the signal aborts. A slot beyond repair is fetched again where it is wanted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const isOver = (): boolean => signal.aborted;
    let nextMs = clock.monotonicMs() + limits.scrubFirstMs;
    while (!isOver()) {
      await clock.sleepUntil(nextMs, signal);
      if (isOver()) return;
      try {
        await this.#scrub(signal);
      } catch (error) {
        const fields = { event: 'scrub-failed', code: codeOf(error), error };
        log.warn(fields, 'the store was not read to its end; it is tried again');
      }
      nextMs = clock.monotonicMs() + limits.scrubPeriodMs;
    }
  }

  async #scrub(signal: AbortSignal): Promise<void> {
    const { disk, clock, content, slots, log, updates } = this.#options;
    const watched = sortedApps(updates().state).flatMap(({ app, held }): SlotName[] =>
      held.map(({ digest }) => ({ app, digest })),
    );
    const bytesPerSecond = limits.scrubBytesPerSecond;
    const world = { disk, clock, content, slots };
    for await (const finding of scrubStore({ ...world, watched, bytesPerSecond, signal })) {
      if (finding.kind === 'blob-removed') {
        log.warn({ event: 'blob-rotten', digest: finding.digest }, 'a blob has rotted');
      }
      if (finding.kind !== 'slot-broken') continue;
      const { slot, failure } = finding;
      log.warn({ event: 'slot-rotten', ...slot, code: failure.code }, 'a slot has rotted');
      await updates().record({ kind: 'slot-damaged', ...slot });
    }
  }
}
