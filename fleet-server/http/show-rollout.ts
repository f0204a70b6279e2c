import type {
  RolloutEventView,
  RolloutRow,
  RolloutView,
} from '../../shared/contracts/api/rollout.ts';
import { printable } from '../../shared/core/printable.ts';
import type { Rollout, RolloutEvent } from '../core/model/rollout.ts';
import type { Assignment } from '../core/rollout/assignment.ts';
import { publishedAssignment } from '../core/rollout/published-assignment.ts';
import { placeOf, type RolloutState } from '../core/rollout/rollout-state.ts';
import { bindingOf } from '../core/rollout/spec.ts';
import { stateOf } from '../runner/rollout/rollout-book.ts';
import type { CountedRollout } from '../runner/rollout-office.ts';

export const showRollout = (row: Rollout): RolloutRow => ({
  rollout: row.rollout,
  app: row.app,
  digest: row.digest,
  status: row.status,
  place: placeOf(stateOf(row)),
  version: row.version,
  author: row.author,
  createdAtMs: row.createdAtMs,
  updatedAtMs: row.updatedAtMs,
});

export function showWholeRollout({ rollout, counts }: CountedRollout): RolloutView {
  const state = stateOf(rollout);
  const assignment = publishedAssignment(state);
  return {
    ...showRollout(rollout),
    spec: { ...state.spec },
    binding: bindingOf(state.spec),
    last: showTransition(state.last),
    ...(assignment === undefined ? {} : { assignment: showAssignment(assignment) }),
    devices: counts.map((count) => ({ ...count })),
  };
}

/** Strata are made of tags and facts, and facts are a device's own words. */
const showAssignment = ({
  strata,
  ...rest
}: Assignment): NonNullable<RolloutView['assignment']> => ({
  ...rest,
  stratifyBy: [...rest.stratifyBy],
  waveSizes: [...rest.waveSizes],
  strata: strata.map((entry) => ({
    ...entry,
    stratum: printable(entry.stratum),
    waves: [...entry.waves],
  })),
});

const showTransition = ({
  by,
  why,
  because,
  ...rest
}: RolloutState['last']): RolloutView['last'] => ({
  ...rest,
  by: by.kind === 'person' ? by.name : 'skein',
  why: why === null ? null : printable(why),
  because: [...because],
});

export const showRolloutEvent = (event: RolloutEvent): RolloutEventView => ({
  number: event.number,
  atMs: event.atMs,
  actor: event.actor,
  kind: event.kind,
  reason: event.reason,
  // The desk wrote the transition's facts there.
  numbers: event.numbers as unknown as RolloutEventView['numbers'],
});
