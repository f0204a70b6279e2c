import type { Digest } from '../../../shared/core/ids.ts';
import { sortedApps, type UpdateState } from './update-state.ts';

/** Bundles this device may come to run without another order: held, on their way, and running. */
export const digestsHere = (state: UpdateState): ReadonlySet<Digest> =>
  new Set(
    sortedApps(state).flatMap(({ held, attempt, running }) => [
      ...held.map(({ digest }) => digest),
      ...[attempt?.target.digest, running?.slot.digest].filter((digest) => digest !== undefined),
    ]),
  );
