import { limits } from '../../../shared/contracts/limits.ts';
import type { AppName, Digest } from '../../../shared/core/ids.ts';
import type { Slot, Target } from './slot.ts';
import type { UpdateEvent } from './update-event.ts';
import {
  type AppState,
  type Attempt,
  isForbidden,
  isReplaced,
  refusalOf,
  type UpdateState,
} from './update-state.ts';

export interface UpdateContext {
  readonly monotonicMs: number;
}

/**
 * The device's update reducer. Pure: what to do next is asked of `decideSteps` afterwards, so a lost effect
 * is found again by comparing, never by remembering a plan.
 */
export function stepUpdate(
  state: UpdateState,
  event: UpdateEvent,
  context: UpdateContext,
): UpdateState {
  switch (event.kind) {
    case 'desired-accepted':
      return acceptTargets(state, event);
    case 'revocations-learned':
      return dropRevokedAttempts({
        ...state,
        revoked: union(state.revoked, event.revoked),
        replaced: union(state.replaced, event.replaced ?? []),
      });
    case 'booted':
      return forEachApp(state, (app) => ({
        ...app,
        running: undefined,
        standIn: undefined,
        attempt: notBegun(app.attempt),
      }));
    case 'bundle-fetched':
      return advance(state, event, { from: 'fetching', to: 'verifying' });
    case 'bundle-verified':
      return advance(state, event, { from: 'verifying', to: 'staging' });
    case 'slot-staged':
      return advance(state, event, { from: 'staging', to: 'self-testing' });
    case 'self-test-passed':
      // The next step writes `activation-begun`; until then the phase stays, so a crash here repeats the self-test.
      return changeApp(state, event.app, (app) =>
        app.attempt?.phase === 'self-testing' && app.attempt.target.digest === event.digest
          ? {
              ...app,
              attempt: {
                phase: 'probation',
                target: app.attempt.target,
                activations: 0,
                begun: false,
              },
            }
          : app,
      );
    case 'step-postponed':
      return changeApp(state, event.app, (app) => postpone(app, event, context));
    case 'activation-begun':
      return changeApp(state, event.app, (app) => ({
        ...app,
        attempt: {
          phase: 'probation',
          target: event.target,
          activations: activationsOf(app.attempt, event.target) + 1,
          begun: true,
        },
      }));
    case 'activated':
      return changeApp(state, event.app, (app) => ({
        ...app,
        standIn: undefined,
        // Another one answers although the trial had begun: coming back to it is a counted activation.
        attempt:
          app.attempt?.target.digest === event.slot.digest ? app.attempt : notBegun(app.attempt),
        running: {
          slot: event.slot,
          host: event.host,
          probation: event.probation,
          sinceMonotonicMs: context.monotonicMs,
          inferences: app.running?.slot.digest === event.slot.digest ? app.running.inferences : 0,
        },
      }));
    case 'stood-in':
      return changeApp(state, event.app, (app) => ({
        ...app,
        standIn: { candidates: event.candidates, slot: event.slot },
      }));
    case 'inferences-counted':
      return changeApp(state, event.app, (app) =>
        app.running?.slot.digest === event.digest
          ? {
              ...app,
              running: { ...app.running, inferences: app.running.inferences + event.count },
            }
          : app,
      );
    case 'session-lost':
      return changeApp(state, event.app, (app) => ({
        ...app,
        running: app.running?.slot.digest === event.digest ? undefined : app.running,
        // A trial that did not come up, or went down, needs another counted activation.
        attempt: app.attempt?.target.digest === event.digest ? notBegun(app.attempt) : app.attempt,
      }));
    case 'committed':
      // Proven again: an older verdict against it no longer stands.
      return changeApp(forgive(state, event.target.digest), event.app, (app) => ({
        ...app,
        attempt: undefined,
        held: hold(app.held, event.target),
        outcome: { kind: 'committed', target: event.target },
      }));
    case 'verdict-reached':
      return judge(state, event, context);
    case 'refusal-lifted':
      return changeApp(forgive(state, event.digest), event.app, (app) =>
        app.attempt === undefined && app.wanted?.digest === event.digest
          ? { ...app, attempt: freshAttempt(app.wanted) }
          : app,
      );
    case 'slot-damaged':
      return changeApp(state, event.app, (app) => ({
        ...app,
        held: app.held.filter((slot) => slot.digest !== event.digest),
        attempt:
          app.wanted?.digest === event.digest && refusalOf(state, app.wanted) === undefined
            ? freshAttempt(app.wanted)
            : app.attempt,
      }));
    case 'slot-dropped':
      return changeApp(state, event.app, (app) => ({
        ...app,
        held: app.held.filter((slot, place) => place === 0 || slot.digest !== event.digest),
      }));
  }
}

function acceptTargets(
  state: UpdateState,
  event: Extract<UpdateEvent, { kind: 'desired-accepted' }>,
): UpdateState {
  const revoked = union(state.revoked, event.revoked);
  const accepted: UpdateState = dropRevokedAttempts({
    ...state,
    seen: event.seen,
    desiredExpiresAtMs: event.expiresAtMs,
    revoked,
    replaced: union(state.replaced, event.replaced ?? []),
  });
  const named = new Set(event.targets.map((target) => target.app));
  const rest = forEachApp(accepted, (app) =>
    named.has(app.app) ? app : withdraw(app, event.forbidden?.includes(app.app), accepted),
  );
  return event.targets.reduce(
    (next, target) => changeApp(next, target.app, (app) => want(next, app, target)),
    rest,
  );
}

/** An app that is withdrawn already stays as it was then. `known`: what a compacted journal says of that time. */
function withdraw(app: AppState, known: boolean | undefined, state: UpdateState): AppState {
  const isSilenced =
    app.held.length > 0 && app.held.every(({ digest }) => isForbidden(state, digest));
  const wasForbidden = known ?? (app.isWithdrawn ? app.wasForbidden : isSilenced);
  return { ...app, wanted: undefined, attempt: undefined, isWithdrawn: true, wasForbidden };
}

/** An attempt at the same digest goes on; anything else starts over, or needs no attempt at all. */
function want(state: UpdateState, app: AppState, target: Target): AppState {
  if (app.attempt?.target.digest === target.digest) {
    return { ...app, wanted: target, attempt: renewed(app.attempt, target), ...ordered };
  }
  const isHeld = app.held.some((slot) => slot.digest === target.digest);
  const wasRefused = state.refusals.some((refusal) => refusal.digest === target.digest);
  const needsNoAttempt =
    (isHeld && !wasRefused) ||
    refusalOf(state, target) !== undefined ||
    state.revoked.has(target.digest) ||
    state.replaced.has(target.digest);
  const isProven = isHeld && !wasRefused && !isReplaced(state, app, target.digest);
  return {
    ...app,
    wanted: target,
    ...ordered,
    attempt: needsNoAttempt ? undefined : freshAttempt(target),
    held: isProven ? goBack(app.held, target.digest) : app.held,
    outcome: isProven ? { kind: 'committed', target } : app.outcome,
  };
}

const ordered = { isWithdrawn: false, wasForbidden: false };

const freshAttempt = (target: Target): Attempt => ({
  phase: 'fetching',
  target,
  notBeforeMonotonicMs: 0,
  failures: 0,
  waitsFor: undefined,
});

/** INVARIANT: at most `activationsMax` per (digest, generation); a newer generation counts anew. */
function renewed(attempt: Attempt, target: Target): Attempt {
  if (attempt.phase !== 'probation') return { ...attempt, target };
  const sameGeneration = attempt.target.generation === target.generation;
  return { ...attempt, target, activations: sameGeneration ? attempt.activations : 0 };
}

const activationsOf = (attempt: Attempt | undefined, target: Target): number =>
  attempt?.phase === 'probation' &&
  attempt.target.digest === target.digest &&
  attempt.target.generation === target.generation
    ? attempt.activations
    : 0;

function postpone(
  app: AppState,
  event: Extract<UpdateEvent, { kind: 'step-postponed' }>,
  context: UpdateContext,
): AppState {
  const attempt = app.attempt;
  if (attempt === undefined || attempt.phase === 'probation') return app;
  if (attempt.target.digest !== event.digest) return app;
  return {
    ...app,
    attempt: {
      ...attempt,
      // What was fetched has rotted or is gone: linking it again would fail for ever.
      phase: lostBytes.has(event.code) ? 'fetching' : attempt.phase,
      failures: attempt.failures + 1,
      waitsFor: event.code,
      notBeforeMonotonicMs: context.monotonicMs + event.retryAfterMs,
    },
  };
}

const lostBytes: ReadonlySet<string> = new Set(['blob-missing', 'blob-corrupt', 'slot-incomplete']);

function judge(
  state: UpdateState,
  event: Extract<UpdateEvent, { kind: 'verdict-reached' }>,
  context: UpdateContext,
): UpdateState {
  const { slot, reason } = event;
  const others = state.refusals.filter((refusal) => refusal.digest !== slot.digest);
  const { path, digest, retry } = slot;
  const refusals = [...others, { app: event.app, path, digest, retry, reason }].slice(
    -limits.refusalsMax,
  );
  return changeApp({ ...state, refusals }, event.app, (app) => {
    const regressed = app.held.some((held) => held.digest === slot.digest);
    const target = targetOf(app, slot, state);
    return {
      ...app,
      attempt: app.attempt?.target.digest === slot.digest ? undefined : app.attempt,
      outcome: {
        kind: 'reverted',
        target,
        reason,
        regressed,
        verdictMonotonicMs: context.monotonicMs,
      },
    };
  });
}

function targetOf(app: AppState, slot: Slot, state: UpdateState): Target {
  const candidates = [app.attempt?.target, app.wanted];
  const known = candidates.find((target) => target?.digest === slot.digest);
  return known ?? { ...slot, ...state.seen, app: app.app, rollout: undefined };
}

const hold = (held: readonly Slot[], target: Target): readonly Slot[] => {
  const slot: Slot = { path: target.path, digest: target.digest, retry: target.retry };
  return [slot, ...held.filter((other) => other.digest !== slot.digest)].slice(
    0,
    limits.heldSlotsMax,
  );
};

/**
 * Ordered back to what is held already: that is the newest proven one again, and what was left for it comes last. It
 * may be the release that was aborted, and must not answer again while the next one is tried.
 */
function goBack(held: readonly Slot[], digest: Digest): readonly Slot[] {
  const [left, ...others] = held;
  if (left === undefined || left.digest === digest) return held;
  const wanted = others.filter((slot) => slot.digest === digest);
  return [...wanted, ...others.filter((slot) => slot.digest !== digest), left];
}

function advance(
  state: UpdateState,
  event: { readonly app: AppName; readonly digest: Digest },
  move: {
    readonly from: 'fetching' | 'verifying' | 'staging';
    readonly to: 'verifying' | 'staging' | 'self-testing';
  },
): UpdateState {
  return changeApp(state, event.app, (app) => {
    const attempt = app.attempt;
    // A result that arrives after the target has changed belongs to nobody.
    if (attempt?.phase !== move.from || attempt.target.digest !== event.digest) return app;
    return {
      ...app,
      attempt: {
        ...attempt,
        phase: move.to,
        failures: 0,
        waitsFor: undefined,
        notBeforeMonotonicMs: 0,
      },
    };
  });
}

const notBegun = (attempt: Attempt | undefined): Attempt | undefined =>
  attempt?.phase === 'probation' ? { ...attempt, begun: false } : attempt;

const forgive = (state: UpdateState, digest: Digest): UpdateState => ({
  ...state,
  refusals: state.refusals.filter((refusal) => refusal.digest !== digest),
});

function dropRevokedAttempts(state: UpdateState): UpdateState {
  return forEachApp(state, (app) => {
    const target = app.attempt?.target;
    const isNamed = (digest: Digest) => state.revoked.has(digest) || state.replaced.has(digest);
    if (target === undefined || !isNamed(target.digest)) return app;
    const outcome = {
      kind: 'reverted' as const,
      target,
      reason: 'revoked',
      regressed: false,
      verdictMonotonicMs: undefined,
    };
    return { ...app, attempt: undefined, outcome };
  });
}

const forEachApp = (state: UpdateState, change: (app: AppState) => AppState): UpdateState => ({
  ...state,
  apps: new Map([...state.apps].map(([name, app]) => [name, change(app)])),
});

function changeApp(
  state: UpdateState,
  name: AppName,
  change: (app: AppState) => AppState,
): UpdateState {
  const before = state.apps.get(name) ?? emptyApp(name);
  const after = change(before);
  return after === before ? state : { ...state, apps: new Map(state.apps).set(name, after) };
}

const emptyApp = (app: AppName): AppState => ({
  app,
  wanted: undefined,
  ...ordered,
  attempt: undefined,
  held: [],
  outcome: undefined,
  running: undefined,
  standIn: undefined,
});

const union = (known: ReadonlySet<Digest>, more: readonly Digest[]): ReadonlySet<Digest> =>
  more.every((digest) => known.has(digest)) ? known : new Set([...known, ...more]);
