import type { Slot, Target } from './slot.ts';
import type { DurableUpdateEvent } from './update-event.ts';
import { type AppState, sortedApps, type UpdateState } from './update-state.ts';

/**
 * The shortest history that replays to the same durable state: what was committed, oldest first, what was judged,
 * then the newest order, then the trial under way.
 */
export function compactUpdate(state: UpdateState): DurableUpdateEvent[] {
  const apps = sortedApps(state);
  const commits = apps.flatMap((app) =>
    [...app.held].reverse().map((slot): DurableUpdateEvent => {
      return { kind: 'committed', app: app.app, target: targetOf(app, slot, state) };
    }),
  );
  const verdicts = state.refusals.map(
    ({ app, reason, ...slot }): DurableUpdateEvent => ({
      kind: 'verdict-reached',
      app,
      slot,
      reason,
    }),
  );
  const order: DurableUpdateEvent = {
    kind: 'desired-accepted',
    seen: state.seen,
    expiresAtMs: state.desiredExpiresAtMs,
    targets: apps.flatMap((app) => app.wanted ?? []),
    revoked: [...state.revoked].sort(),
    replaced: [...state.replaced].sort(),
    forbidden: apps.filter(({ wasForbidden }) => wasForbidden).map(({ app }) => app),
  };
  const trials = apps.flatMap(({ app, attempt }): DurableUpdateEvent[] =>
    attempt?.phase === 'probation'
      ? Array.from({ length: attempt.activations }, () => {
          return { kind: 'activation-begun', app, target: attempt.target };
        })
      : [],
  );
  return [...commits, ...verdicts, order, ...trials];
}

function targetOf(app: AppState, slot: Slot, state: UpdateState): Target {
  const known = [app.wanted, app.outcome?.target].find((target) => target?.digest === slot.digest);
  return { ...(known ?? { app: app.app, rollout: undefined, ...state.seen }), ...slot };
}
