import { limits } from '../../../shared/contracts/limits.ts';
import type { AppName, DeviceId, Digest, FleetId, RolloutId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { Rollout } from '../../core/model/rollout.ts';
import { indexAssignment } from '../../core/rollout/assignment.ts';
import type { DesiredRollout, StartedState } from '../../core/rollout/offer-facts.ts';
import type { RolloutState } from '../../core/rollout/rollout-state.ts';
import type { FilterNode } from '../../core/targeting/filter-ast.ts';
import { parseFilter } from '../../core/targeting/parse-filter.ts';
import type { StoreView } from '../../ports/store.ts';

/**
 * Rollouts as the decisions see them. What is computed from a stored state (parsed target, order of cells) is kept by
 * (rollout, version), so that a look costs what has changed and not 4,096 hashes.
 */
export class RolloutBook {
  readonly #read = new Map<
    RolloutId,
    { readonly version: number; readonly rollout: DesiredRollout }
  >();

  /** The started rollouts of an app that can matter to a device: open ones, the newest ended ones, and `also`. */
  async startedOf(
    view: StoreView,
    query: { readonly fleet: FleetId; readonly app: AppName; readonly also?: readonly RolloutId[] },
  ): Promise<readonly DesiredRollout[]> {
    const { fleet, app, also = [] } = query;
    const page = { limit: limits.rolloutsPerAppMax };
    const rows = [...(await view.rollouts.list(fleet, { app }, page))];
    const listed = new Set(rows.map((row) => row.rollout));
    for (const id of also) {
      const row = listed.has(id) ? null : await view.rollouts.get(fleet, id);
      if (row?.app === app) rows.push(row);
    }
    return rows.flatMap((row) => this.open(row) ?? []);
  }

  /** `undefined` for one that has not started. */
  open(row: Rollout): DesiredRollout | undefined {
    const known = this.#read.get(row.rollout);
    if (known?.version === row.version) return known.rollout;
    const state = stateOf(row);
    if (!isStarted(state)) return undefined;
    const assignment = assignmentOf(state);
    const target = targetOf(state);
    const index = assignment === null ? null : indexAssignment(assignment);
    const rollout = { state, target, index };
    if (this.#read.size >= limits.rolloutBookMax) this.#read.clear();
    this.#read.set(row.rollout, { version: row.version, rollout });
    return rollout;
  }
}

/** The reducer wrote it, so its form is the reducer's own. */
export const stateOf = (row: Rollout): RolloutState => row.reducerState as unknown as RolloutState;

export function targetOf(state: RolloutState): FilterNode {
  const target = parseFilter(state.spec.target);
  invariant(target.ok, `the stored target of ${state.id} no longer parses`);
  return target.value;
}

export const isStarted = (state: RolloutState): state is StartedState =>
  state.kind !== 'draft' &&
  state.kind !== 'awaiting-approval' &&
  !(state.kind === 'aborted' && state.order === null);

function assignmentOf(state: StartedState) {
  return state.kind === 'paused' ? state.running.assignment : state.assignment;
}

/** Digests that were aborted in this fleet: nothing offers them again without a person saying so. */
export async function stoppedDigests(
  view: StoreView,
  fleet: FleetId,
  digest: Digest,
): Promise<ReadonlySet<Digest>> {
  const query = { statuses: ['aborting', 'aborted'] as const, digest };
  const [row] = await view.rollouts.list(fleet, query, { limit: 1 });
  return row === undefined ? new Set() : new Set([digest]);
}

/** Ids in order, for batches whose effects must not depend on how they were found. */
export const sortedIds = (ids: Iterable<DeviceId>): readonly DeviceId[] => [...ids].sort();
