import { limits } from '../../../shared/contracts/limits.ts';
import type { AppName, DeviceId, Digest, FleetId, RolloutId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { Rollout } from '../../core/model/rollout.ts';
import { indexAssignment } from '../../core/rollout/assignment.ts';
import type {
  DesiredContext,
  DesiredRollout,
  StartedState,
} from '../../core/rollout/offer-facts.ts';
import type { RolloutState } from '../../core/rollout/rollout-state.ts';
import type { FilterNode } from '../../core/targeting/filter-ast.ts';
import { parseFilter } from '../../core/targeting/parse-filter.ts';
import type { RolloutQuery } from '../../ports/repositories/rollout-repository.ts';
import type { StoreView } from '../../ports/store.ts';

/**
 * Rollouts as the decisions see them. What is computed from a stored state (parsed target, order of cells) is kept by
 * (rollout, version), so that a look costs what has changed and not 4,096 hashes.
 */
export class RolloutBook {
  readonly #read = new Map<
    RolloutId,
    { readonly version: number; readonly rollout: DesiredRollout | undefined }
  >();

  /** The started rollouts of an app that can matter to a device: open ones, the newest ended ones, and `also`. */
  async startedOf(
    view: StoreView,
    query: { readonly fleet: FleetId; readonly app: AppName; readonly also?: readonly RolloutId[] },
  ): Promise<readonly DesiredRollout[]> {
    const { fleet, app, also = [] } = query;
    const page = { limit: limits.rolloutsPerAppMax };
    const rollouts = [...(await this.list(view, { fleet, query: { app }, page }))];
    const listed = new Set(rollouts.map(({ state }) => state.id));
    for (const id of also) {
      const row = listed.has(id) ? null : await view.rollouts.get(fleet, id);
      const rollout = row?.app === app ? this.open(row) : undefined;
      if (rollout !== undefined) rollouts.push(rollout);
    }
    return rollouts;
  }

  /** Those of a list that have started; only what has changed since it was last read is read again. */
  async list(
    view: StoreView,
    asked: {
      readonly fleet: FleetId;
      readonly query: RolloutQuery;
      readonly page: { readonly limit: number };
    },
  ): Promise<readonly DesiredRollout[]> {
    const { fleet, query, page } = asked;
    const rollouts: DesiredRollout[] = [];
    for (const { rollout: id, version } of await view.rollouts.listVersions(fleet, query, page)) {
      const known = this.#read.get(id);
      const row = known?.version === version ? null : await view.rollouts.get(fleet, id);
      const rollout = row === null ? known?.rollout : this.open(row);
      if (rollout !== undefined) rollouts.push(rollout);
    }
    return rollouts;
  }

  /** `undefined` for one that has not started. */
  open(row: Rollout): DesiredRollout | undefined {
    const known = this.#read.get(row.rollout);
    if (known?.version === row.version) return known.rollout;
    const rollout = desiredRolloutOf(stateOf(row), known?.rollout?.index);
    if (this.#read.size >= limits.rolloutBookMax) this.#read.clear();
    this.#read.set(row.rollout, { version: row.version, rollout });
    return rollout;
  }

  /** After a transaction that had it in hand was taken back. */
  forget(rollout: RolloutId): void {
    this.#read.delete(rollout);
  }
}

/** `known`: an index of the same rollout. Most looks change the state and not who is in which wave. */
function desiredRolloutOf(
  state: RolloutState,
  known: DesiredRollout['index'] | undefined,
): DesiredRollout | undefined {
  if (!isStarted(state)) return undefined;
  const assignment = assignmentOf(state);
  const isKnown = JSON.stringify(known?.assignment ?? null) === JSON.stringify(assignment);
  const index =
    assignment === null ? null : ((isKnown ? known : null) ?? indexAssignment(assignment));
  return { state, target: targetOf(state), index };
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

export type Standing = Pick<DesiredContext, 'stopped' | 'regressions' | 'minAgents'>;

/** What speaks against offering these digests in this fleet without a person saying so. */
export async function standingOf(
  view: StoreView,
  fleet: FleetId,
  digests: readonly Digest[],
): Promise<Standing> {
  if (digests.length === 0) return { stopped: new Set(), regressions: [], minAgents: new Map() };
  const [stopped, regressions, minAgents] = await Promise.all([
    view.rollouts.listStopped(fleet, digests),
    view.rollouts.listRegressions(fleet, digests),
    view.bundles.listMinAgents(fleet, digests),
  ]);
  return { stopped: new Set(stopped), regressions, minAgents };
}

/** Ids in order, for batches whose effects must not depend on how they were found. */
export const sortedIds = (ids: Iterable<DeviceId>): readonly DeviceId[] => [...ids].sort();
