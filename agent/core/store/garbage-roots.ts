import { sortedApps, type UpdateState } from '../update/update-state.ts';
import type { GarbageRoots } from './decide-garbage.ts';

/**
 * What must stay: every slot that is held or runs, and the manifests of what was refused. Undefined while an attempt is
 * under way, because the blobs it will link are named by nothing on disk yet.
 */
export function garbageRootsOf(state: UpdateState): GarbageRoots | undefined {
  const apps = sortedApps(state);
  if (apps.some(({ attempt }) => attempt !== undefined)) return undefined;
  return {
    slots: apps.flatMap(({ app, held, running }) =>
      [...held, ...(running === undefined ? [] : [running.slot])].map(({ digest }) => ({
        app,
        digest,
      })),
    ),
    downloads: [],
    refused: state.refusals.map(({ digest }) => digest),
  };
}
