import type { RolloutPolicy } from '../../../shared/contracts/rollout.ts';
import type { AppName, Digest, FleetId, RolloutId } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import { nextRelease } from '../../core/federation/next-release.ts';
import type { Rollout } from '../../core/model/rollout.ts';
import type { Release } from '../../core/repository/release-rules.ts';
import type { Store } from '../../ports/store.ts';
import type { ImageRepository } from '../image-repository.ts';
import { stateOf } from '../rollout/rollout-book.ts';
import type { RolloutDesk } from '../rollout/rollout-desk.ts';
import type { CandidateRoads } from './candidate-shop.ts';

export interface CandidateRoadsOptions {
  readonly store: Store;
  readonly repository: Pick<ImageRepository, 'signedReleases' | 'federatedReleases'>;
  readonly rollouts: Pick<RolloutDesk, 'create' | 'order'>;
  /** A rollout may have started. */
  readonly wake: () => void;
}

/** What a round gets when its request does not say how its candidate is rolled out. */
const canary: RolloutPolicy = {
  target: 'state = accepted',
  waves: [{ percent: 1 }, { percent: 10 }, { percent: 50 }, { percent: 100 }],
};

/** The ways between rounds and the rooms of releases and rollouts. */
export function createCandidateRoads(options: CandidateRoadsOptions): CandidateRoads {
  const { store, repository } = options;
  return {
    parentOf: async (fleet, digest) => {
      const release = repository.signedReleases.find(
        (signed) => signed.digest === digest && isLiveFor(signed, fleet),
      );
      return release === undefined ? undefined : { path: release.path, custom: release.custom };
    },
    nextRelease: async (fleet, name, asked) => {
      const all = [...repository.signedReleases, ...(await repository.federatedReleases(fleet))];
      return nextRelease(
        all.filter(({ custom }) => custom.name === name).map(({ custom }) => custom),
        asked,
      );
    },
    startRollout: (candidate) => startRollout(options, candidate),
    abortRollout: (candidate) => abortRollout(options, candidate),
    rolloutEnd: async (fleet, rollout) => {
      const row = await store.read((view) => view.rollouts.get(fleet, rollout));
      const state = row === null ? undefined : stateOf(row);
      if (state?.kind === 'completed') return { completed: true, reason: 'completed' };
      return state?.kind === 'aborted' ? { completed: false, reason: state.code } : undefined;
    },
  };
}

const isLiveFor = ({ custom }: Release, fleet: FleetId): boolean =>
  custom.status === 'live' && (custom.fleets.length === 0 || custom.fleets.includes(fleet));

type Started = Parameters<CandidateRoads['startRollout']>[0];

/** After a crash in between, the rollout that was drafted for the candidate is found again by its digest. */
async function startRollout(
  { store, rollouts, wake }: CandidateRoadsOptions,
  candidate: Started,
): Promise<Result<RolloutId, { readonly code: string }>> {
  const { fleet, app, path, digest, author, policy = canary } = candidate;
  const known = await findRollout(store, fleet, { app, digest });
  if (known !== undefined && known.status !== 'draft') return ok(known.rollout);
  const request = { ...policy, app, path, digest };
  const drafted =
    known === undefined ? await rollouts.create(fleet, { request, author }) : ok(known);
  if (!drafted.ok) return err({ code: drafted.error.code });
  const { rollout } = drafted.value;
  const submitted = await rollouts.order(
    { fleet, rollout },
    {
      event: { type: 'submitted', by: { kind: 'person', name: author } },
      version: undefined,
    },
  );
  if (!submitted.ok) return err({ code: submitted.error.code });
  wake();
  return ok(rollout);
}

/** Found by its digest, because a round that was given up may never have heard of the rollout it had asked for. */
async function abortRollout(
  { store, rollouts, wake }: CandidateRoadsOptions,
  { fleet, app, digest, why }: Parameters<CandidateRoads['abortRollout']>[0],
): Promise<void> {
  const known = await findRollout(store, fleet, { app, digest });
  if (known === undefined) return;
  const by = { kind: 'skein' } as const;
  const event = { type: 'aborted', by, why, code: 'round-abandoned' } as const;
  // What is complete stays: going back from it is a rollout of the older bundle.
  const { rollout } = known;
  const aborted = await rollouts.order({ fleet, rollout }, { event, version: undefined });
  if (aborted.ok) wake();
}

/** The newest rollout of exactly these bytes; a candidate's digest is its own. */
async function findRollout(
  store: Store,
  fleet: FleetId,
  { app, digest }: { readonly app: AppName; readonly digest: Digest },
): Promise<Rollout | undefined> {
  // A candidate is rolled out right after it was published, so its rollout is among the newest of the app.
  const page = { limit: 50 };
  const rows = await store.read((view) => view.rollouts.list(fleet, { app }, page));
  return rows.find((row) => row.digest === digest);
}
