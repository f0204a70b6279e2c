import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest, TargetPath } from '../../../shared/core/ids.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import { bundlesOf, openPhases } from '../../core/federation/round-state.ts';
import type { Bundle } from '../../core/model/bundle.ts';
import {
  type ContentFacts,
  decideContentKeeper,
  namingStatuses,
} from '../../core/repository/content-retention.ts';
import type { Release } from '../../core/repository/release-rules.ts';
import type { Store, StoreTx, StoreView } from '../../ports/store.ts';
import { appendAudit } from '../append-audit.ts';
import { roundStateOf } from '../federation/round-book.ts';
import type { BundleLineages } from './bundle-lineages.ts';
import { findNeeds } from './find-needs.ts';
import { bundleHolder } from './register-releases.ts';

export interface BundleKeeperOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly lineages: BundleLineages;
  readonly daysKept: number;
}

/** A bundle whose time is over, and what a walk through the devices found. */
interface RetiredBundle extends Pick<ContentFacts, 'isOnDevices' | 'isPrevious'> {
  readonly path: TargetPath;
  readonly digest: Digest;
}

const digestOf = ({ digest }: Pick<Bundle, 'digest'>): Digest => digest;

type ReleaseAlone = (release: (signed: readonly Release[]) => Promise<boolean>) => Promise<boolean>;

const dayMs = 86_400_000;

/**
 * Lets go of the content of bundles that are retired or revoked and that nobody needs. Their manifest and configuration
 * are kept, so that a revocation reaches what descends from them for ever; blobs that other bundles share are theirs.
 *
 * INVARIANTS
 * - Each is let go between two publications: what is signed and what descends from what does not change meanwhile.
 * - Rows, rollouts and rounds are asked again in the transaction that lets go. Devices and offers are not: a device is
 *   told to run such a bundle by a rollout alone, and one that only now says it has it has its bytes already.
 */
export class BundleKeeper {
  readonly #options: BundleKeeperOptions;

  constructor(options: BundleKeeperOptions) {
    this.#options = options;
  }

  /**
   * Walks through the devices, then lets go bundle by bundle: `alone` runs each between two publications, with all that
   * is signed then. Returns the paths.
   */
  async releaseAll(alone: ReleaseAlone, signal?: AbortSignal): Promise<readonly TargetPath[]> {
    const released: TargetPath[] = [];
    let page = await this.#look(undefined, signal);
    while (page.length > 0 && signal?.aborted !== true) {
      for (const bundle of page) {
        if (await alone((signed) => this.#release(bundle, signed))) released.push(bundle.path);
      }
      page = await this.#look(page.at(-1)?.path, signal);
    }
    return released;
  }

  /** The next page of bundles after a path that were retired or revoked long ago; an empty one ends the list. */
  async #look(after?: TargetPath, signal?: AbortSignal): Promise<readonly RetiredBundle[]> {
    const { store, clock } = this.#options;
    const sinceMs = clock.nowMs() - this.#keptMs;
    const page = { limit: limits.bundlesLookedAtMax, ...(after === undefined ? {} : { after }) };
    const bundles = await store.read(async (view) => {
      const found: Pick<Bundle, 'path' | 'digest'>[] = [];
      for (const path of await view.bundles.listRetired(sinceMs, page)) {
        const [row] = await view.bundles.listRows(path);
        if (row !== undefined) found.push({ path, digest: row.digest });
      }
      return found;
    });
    if (bundles.length === 0) return [];
    const needs = await findNeeds(this.#options, { digests: bundles.map(digestOf), signal });
    return bundles.map((bundle) => ({
      ...bundle,
      isOnDevices: needs.onDevices.has(bundle.digest),
      isPrevious: needs.previous.has(bundle.digest),
    }));
  }

  /** False where somebody needs it after all. */
  async #release(bundle: RetiredBundle, releases: readonly Release[]): Promise<boolean> {
    const { store, clock, lineages } = this.#options;
    const { path, digest, isOnDevices, isPrevious } = bundle;
    const release = releases.find((signed) => signed.path === path);
    const papers = release === undefined ? undefined : await lineages.of(release);
    // What cannot be read cannot be told from what others hold.
    if (papers === undefined) return false;
    const children: TargetPath[] = [];
    for (const other of releases) {
      if ((await lineages.of(other))?.parent === digest) children.push(other.path);
    }
    return store.transaction(async (tx) => {
      const nowMs = clock.nowMs();
      const rows = await tx.bundles.listRows(path);
      const facts = {
        ...{ rows, isOnDevices, isPrevious },
        ...(await readOrders(tx, digest)),
        isParent: (await tx.bundles.listReleased(children)).length < new Set(children).size,
      };
      const keeper = decideContentKeeper(facts, { nowMs, keptMs: this.#keptMs });
      if (keeper !== undefined) return false;
      await writeRelease(tx, { path, digest, rows, papers: [digest, papers.config], nowMs });
      return true;
    });
  }

  get #keptMs(): number {
    return this.#options.daysKept * dayMs;
  }
}

/** Of these paths, those whose content was let go. What is revoked is never live again, whatever its target says. */
export async function listRevivable(
  store: Store,
  paths: readonly TargetPath[],
): Promise<ReadonlySet<TargetPath>> {
  return store.read(async (view) => {
    const revivable = new Set<TargetPath>();
    for (const path of await view.bundles.listReleased(paths)) {
      const rows = await view.bundles.listRows(path);
      if (rows.every(({ status }) => status !== 'revoked')) revivable.add(path);
    }
    return revivable;
  });
}

/** What people have ordered with a bundle, in every fleet. */
async function readOrders(
  view: Pick<StoreView, 'fleets' | 'rollouts' | 'rounds'>,
  digest: Digest,
): Promise<{ readonly isRolledOut: boolean; readonly isInRound: boolean }> {
  let isRolledOut = false;
  let isInRound = false;
  for (const { fleet } of await view.fleets.list()) {
    const query = { digest, statuses: namingStatuses };
    isRolledOut ||= (await view.rollouts.list(fleet, query, { limit: 1 })).length > 0;
    const rounds = await view.rounds.listIn(fleet, [...openPhases], limits.storePageMax);
    isInRound ||= rounds.some((round) => bundlesOf(roundStateOf(round)).includes(digest));
  }
  return { isRolledOut, isInRound };
}

async function writeRelease(
  tx: StoreTx,
  released: Pick<RetiredBundle, 'path' | 'digest'> & {
    readonly rows: readonly Bundle[];
    readonly papers: readonly Digest[];
    readonly nowMs: number;
  },
): Promise<void> {
  const { path, digest, rows, papers, nowMs } = released;
  const fleets = rows.map(({ fleet, status, statusSinceMs }) => ({ fleet, status, statusSinceMs }));
  await appendAudit(tx, {
    ...{ fleet: null, atMs: nowMs, actor: 'skein', action: 'bundle-content-released' },
    ...{ subject: path, details: { digest, fleets } },
  });
  await tx.blobs.hold(bundleHolder(path), papers);
  await tx.bundles.setContentReleased(path, nowMs);
}
