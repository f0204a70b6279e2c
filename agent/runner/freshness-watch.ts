import type { BundleConfig } from '../../shared/contracts/bundle-config.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../../shared/ports/log.ts';
import {
  freshMetadata,
  freshnessOf,
  isOverdue,
  type MetadataAge,
  metadataAgeMs,
  openMetadataAge,
} from '../core/metadata-age.ts';
import { digestsHere } from '../core/update/digests-here.ts';
import type { AgentMemory } from './agent-memory.ts';
import type { Installer } from './installer.ts';
import type { UpdateRunner } from './update-runner.ts';

export interface FreshnessWatchOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly memory: Pick<AgentMemory, 'freshness' | 'keepFreshness'>;
  readonly installer: Pick<Installer, 'read'>;
  readonly updates: () => Pick<UpdateRunner, 'state'>;
  /** Absent until a nonce-bound server time arrived in this boot. */
  readonly trustedNowMs: () => number | undefined;
  /** Another set of bundles has run beyond its limit. */
  readonly changed: () => void;
}

type Terms = BundleConfig['stale'];

/**
 * Knows how old the verified metadata is, and which bundles on this device have outlived what they name: at boot, at
 * each refresh, and by the monotonic clock. Fresh metadata frees all of them at once.
 */
export class FreshnessWatch {
  readonly #options: FreshnessWatchOptions;
  /** Signed and named by digest, so read once; what has rotted since is still under the same terms. */
  readonly #terms = new Map<Digest, Terms>();
  #age: MetadataAge;
  #overdue: ReadonlySet<Digest> = new Set();
  #stale: ReadonlySet<Digest> = new Set();

  constructor(options: FreshnessWatchOptions) {
    this.#options = options;
    this.#age = openMetadataAge(options.memory.freshness, options.clock.monotonicMs());
  }

  /** Bundles that must not run until fresh metadata arrives. */
  get stale(): ReadonlySet<Digest> {
    return this.#stale;
  }

  /** Some bundle has outlived what it names, whether it runs on or not. */
  get isOverdue(): boolean {
    return this.#overdue.size > 0;
  }

  get ageMs(): number {
    const { clock, trustedNowMs } = this.#options;
    const now = { monotonicMs: clock.monotonicMs(), trustedNowMs: trustedNowMs() };
    return metadataAgeMs(this.#age, now);
  }

  /** Metadata was verified under trusted time. Written when the next boot would count an hour too many. */
  async refreshed(trustedNowMs: number): Promise<void> {
    this.#age = freshMetadata(trustedNowMs, this.#options.clock.monotonicMs());
    const kept = this.#options.memory.freshness;
    const lateMs = trustedNowMs - (kept?.freshAtMs ?? 0);
    if (Math.max(lateMs, kept?.aliveMs ?? 0) >= limits.freshnessLookMs) await this.#keep();
    await this.judge();
  }

  /** Needs no network. Throws what the disk throws. */
  async judge(): Promise<void> {
    await this.#readTerms();
    const { ageMs } = this;
    const overdue = [...this.#terms].filter(([, terms]) => isOverdue(terms, ageMs));
    const before = this.#overdue;
    this.#overdue = new Set(overdue.map(([digest]) => digest));
    this.#stale = new Set(overdue.flatMap(([digest, terms]) => (isStop(terms) ? digest : [])));
    const isSame =
      before.size === overdue.length && overdue.every(([digest]) => before.has(digest));
    if (isSame) return;
    this.#tell(before, ageMs);
    this.#options.changed();
  }

  /** Looks at 1, 2, 4 ... minutes after the start and then each hour, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const startMs = clock.monotonicMs();
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      const nowMs = clock.monotonicMs();
      const pauseMs = Math.max(limits.freshnessFirstLookMs, nowMs - startMs);
      await clock.sleepUntil(nowMs + Math.min(pauseMs, limits.freshnessLookMs), signal);
      try {
        // At the end too: what this boot lived is known to the next one.
        await this.#keep();
        if (!isOver()) await this.judge();
      } catch (error) {
        const fields = { event: 'freshness-look-failed', code: codeOf(error), error };
        log.warn(fields, 'the age of the metadata was not looked at; it is tried again');
      }
    }
  }

  #keep(): Promise<void> {
    const { memory, clock } = this.#options;
    return memory.keepFreshness(freshnessOf(this.#age, clock.monotonicMs()));
  }

  async #readTerms(): Promise<void> {
    const { installer, updates } = this.#options;
    const here = digestsHere(updates().state);
    for (const digest of [...this.#terms.keys()]) {
      if (!here.has(digest)) this.#terms.delete(digest);
    }
    for (const digest of here) {
      if (this.#terms.has(digest)) continue;
      const bundle = await installer.read(digest);
      if (bundle.ok) this.#terms.set(digest, bundle.value.config.stale);
    }
  }

  #tell(before: ReadonlySet<Digest>, ageMs: number): void {
    const { log } = this.#options;
    for (const digest of this.#overdue) {
      if (before.has(digest)) continue;
      const { maxDays, then } = this.#terms.get(digest) ?? {};
      const fields = { event: 'metadata-stale', code: 'metadata-stale', digest, maxDays, then };
      log.warn(
        { ...fields, ageMs },
        then === 'stop'
          ? 'the bundle may not run on metadata this old; fresh metadata brings it back'
          : 'the bundle runs on although the metadata is older than it names',
      );
    }
    if (this.#overdue.size < before.size) {
      log.info({ event: 'metadata-fresh', ageMs }, 'the metadata is no longer too old');
    }
  }
}

const isStop = (terms: Terms): boolean => terms?.then === 'stop';
