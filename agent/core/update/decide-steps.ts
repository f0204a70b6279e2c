import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import type { Slot, Target } from './slot.ts';
import type { DurableUpdateEvent } from './update-event.ts';
import {
  type AppState,
  type Attempt,
  isForbidden,
  isReplaced,
  refusalOf,
  type SessionHost,
  sortedApps,
  type UpdateState,
} from './update-state.ts';

/**
 * What the loop knows besides the state. `trustedNowMs` is absent until a nonce-bound server time
 * arrived in this boot.
 */
export interface StepContext {
  readonly monotonicMs: number;
  readonly trustedNowMs: number | undefined;
  /** Bundles that may not run on metadata as old as this device's; they come back with fresh metadata. */
  readonly stale: ReadonlySet<Digest>;
}

/** One piece of work for one app. `record` is written to the journal and fed back; the others come back as events. */
export type Step =
  | { readonly kind: 'record'; readonly event: DurableUpdateEvent }
  | { readonly kind: 'fetch-bundle'; readonly target: Target }
  | { readonly kind: 'verify-bundle'; readonly target: Target }
  | { readonly kind: 'stage-slot'; readonly target: Target }
  | { readonly kind: 'self-test'; readonly target: Target }
  | {
      readonly kind: 'activate';
      readonly app: AppState['app'];
      readonly slot: Slot;
      readonly host: SessionHost;
    }
  | { readonly kind: 'stop'; readonly app: AppState['app']; readonly because: string }
  /** No model may answer: the first of these bundles that has a default answer gives it. */
  | { readonly kind: 'stand-in'; readonly app: AppState['app']; readonly slots: readonly Slot[] };

/** Why an app rests: the decision's own words, which `device explain` repeats. */
export type Rest =
  | { readonly kind: 'settled' }
  | { readonly kind: 'refused'; readonly reason: string; readonly retry: number }
  | {
      readonly kind: 'waiting';
      readonly code: string;
      readonly untilMonotonicMs: number | undefined;
    }
  | { readonly kind: 'default-answer'; readonly reason: string; readonly slot: Slot }
  | { readonly kind: 'no-model'; readonly reason: string };

export interface AppDecision {
  readonly app: AppState['app'];
  readonly step: Step | undefined;
  readonly rest: Rest | undefined;
}

/**
 * Compares wanted with actual and names at most one next step per app. Level-triggered: call it
 * again after every event.
 */
export function decideSteps(state: UpdateState, context: StepContext): AppDecision[] {
  return sortedApps(state).map((app) => {
    const decision = decideApp(state, app, context);
    return 'kind' in decision && isRest(decision)
      ? { app: app.app, step: undefined, rest: decision }
      : { app: app.app, step: decision, rest: undefined };
  });
}

const restKinds: readonly string[] = [
  ...['settled', 'refused', 'waiting', 'default-answer', 'no-model'],
];
const isRest = (decision: Step | Rest): decision is Rest => restKinds.includes(decision.kind);

function decideApp(state: UpdateState, app: AppState, context: StepContext): Step | Rest {
  const choice = chooseSlot(state, app, context);
  const running = app.running;

  // After a start or a lost session the proven model answers first; a trial begins behind it.
  if (running === undefined && choice !== undefined) {
    return { kind: 'activate', app: app.app, slot: choice, host: 'worker' };
  }
  const { attempt } = app;
  const isStale = (target: Slot): boolean => context.stale.has(target.digest);
  // Its bytes rotted on disk under it and are fetched again; what is in memory is whole and goes on.
  const isRotten =
    attempt !== undefined && attempt.phase !== 'probation' && isSame(running, attempt.target);
  if (isRotten && !isStale(attempt.target)) return decideInstall(state, attempt, context);
  // A trial on metadata too old waits for fresh metadata; nothing is judged.
  const trial = attempt?.phase === 'probation' && !isStale(attempt.target) ? attempt : undefined;
  const isOnTrial = trial !== undefined && running?.slot.digest === trial.target.digest;
  // What is neither proven nor on trial must not answer: judged, revoked, withdrawn, or a trial that was given up.
  if (running !== undefined && choice === undefined && !isOnTrial) {
    return { kind: 'stop', app: app.app, because: 'no-model' };
  }
  const candidates = standInSlots(app);
  if (running === undefined && !isLookedThrough(app, candidates)) {
    return { kind: 'stand-in', app: app.app, slots: candidates };
  }
  if (trial !== undefined) return decideProbation(app, trial, context);
  if (choice !== undefined && running?.slot.digest !== choice.digest) {
    return { kind: 'activate', app: app.app, slot: choice, host: 'worker' };
  }
  if (running?.host === 'process' && choice?.digest === running.slot.digest) {
    // Committed: the disposable process has done its duty.
    return { kind: 'activate', app: app.app, slot: running.slot, host: 'worker' };
  }
  if (attempt !== undefined && attempt.phase !== 'probation') {
    return decideInstall(state, attempt, context);
  }
  return restOf(state, app, { choice, context });
}

/**
 * What should answer: the wanted bundle if it was committed here, else last-good, else an older one; never one that
 * is revoked, refused or stale. A committed bundle needs no network and no download to come back.
 */
function chooseSlot(state: UpdateState, app: AppState, { stale }: StepContext): Slot | undefined {
  if (app.isWithdrawn) return undefined;
  const isBarred = (digest: Digest): boolean =>
    isForbidden(state, digest) || isReplaced(state, app, digest) || stale.has(digest);
  return wantedFirst(app).find(({ digest }) => !isBarred(digest));
}

function wantedFirst({ held, wanted }: AppState): readonly Slot[] {
  const first = held.filter(({ digest }) => digest === wanted?.digest);
  return [...first, ...held.filter((slot) => !first.includes(slot))];
}

/** Whose default answer may be given when none of them may run, in the order in which they would run. */
const standInSlots = (app: AppState): readonly Slot[] =>
  app.isWithdrawn && !app.wasForbidden ? [] : wantedFirst(app);

function isLookedThrough({ standIn }: AppState, candidates: readonly Slot[]): boolean {
  const looked = standIn?.candidates ?? [];
  return (
    looked.length === candidates.length &&
    candidates.every(({ digest }, place) => digest === looked[place])
  );
}

function decideProbation(
  app: AppState,
  trial: Extract<Attempt, { phase: 'probation' }>,
  context: StepContext,
): Step | Rest {
  const { target } = trial;
  const running = app.running;
  if (running?.slot.digest !== target.digest) {
    if (trial.begun) {
      return { kind: 'activate', app: app.app, slot: slotOf(target), host: 'process' };
    }
    if (trial.activations >= limits.activationsMax) {
      return record({
        kind: 'verdict-reached',
        app: app.app,
        slot: slotOf(target),
        reason: 'crash-loop',
      });
    }
    return record({ kind: 'activation-begun', app: app.app, target });
  }
  const provenForMs = context.monotonicMs - running.sinceMonotonicMs;
  if (running.inferences < running.probation.inferences) {
    return { kind: 'waiting', code: 'probation-inferences', untilMonotonicMs: undefined };
  }
  if (provenForMs < running.probation.durationMs) {
    const untilMonotonicMs = running.sinceMonotonicMs + running.probation.durationMs;
    return { kind: 'waiting', code: 'probation-duration', untilMonotonicMs };
  }
  return record({ kind: 'committed', app: app.app, target });
}

function decideInstall(
  state: UpdateState,
  attempt: Exclude<Attempt, { phase: 'probation' }>,
  context: StepContext,
): Step | Rest {
  if (context.monotonicMs < attempt.notBeforeMonotonicMs) {
    return {
      kind: 'waiting',
      code: attempt.waitsFor ?? 'backoff',
      untilMonotonicMs: attempt.notBeforeMonotonicMs,
    };
  }
  switch (attempt.phase) {
    case 'fetching':
      // Starting an install needs trusted time and a live order; going on with one, or going back, does not.
      if (context.trustedNowMs === undefined) return waiting('no-trusted-time');
      if (context.trustedNowMs > state.desiredExpiresAtMs) return waiting('desired-expired');
      return { kind: 'fetch-bundle', target: attempt.target };
    case 'verifying':
      return { kind: 'verify-bundle', target: attempt.target };
    case 'staging':
      return { kind: 'stage-slot', target: attempt.target };
    case 'self-testing':
      return { kind: 'self-test', target: attempt.target };
  }
}

function restOf(
  state: UpdateState,
  app: AppState,
  seen: { readonly choice: Slot | undefined; readonly context: StepContext },
): Rest {
  const { choice, context } = seen;
  const { wanted, standIn } = app;
  const isDue = wanted !== undefined && isReplaced(state, app, wanted.digest);
  const against =
    wanted === undefined
      ? undefined
      : (reasonAgainst(state, wanted, context) ?? (isDue ? 'revoked' : undefined));
  if (choice === undefined && standIn?.slot !== undefined) {
    const { slot } = standIn;
    const reason = against ?? reasonAgainst(state, slot, context) ?? 'no-model';
    return { kind: 'default-answer', reason, slot };
  }
  if (app.isWithdrawn) return { kind: 'no-model', reason: 'withdrawn' };
  const refusal = wanted === undefined ? undefined : refusalOf(state, wanted);
  if (refusal !== undefined) {
    return { kind: 'refused', reason: refusal.reason, retry: refusal.retry };
  }
  if (wanted !== undefined && against !== undefined) {
    return choice === undefined
      ? { kind: 'no-model', reason: against }
      : { kind: 'refused', reason: against, retry: wanted.retry };
  }
  return choice === undefined
    ? { kind: 'no-model', reason: 'never-installed' }
    : { kind: 'settled' };
}

/** Code of why the slot may not run, if it may not. */
function reasonAgainst(state: UpdateState, slot: Slot, { stale }: StepContext): string | undefined {
  const refusal = refusalOf(state, slot);
  if (refusal !== undefined) return refusal.reason;
  if (state.revoked.has(slot.digest)) return 'revoked';
  return stale.has(slot.digest) ? 'metadata-stale' : undefined;
}

const isSame = (running: AppState['running'], { digest }: Target): boolean =>
  running?.slot.digest === digest;

const waiting = (code: string): Rest => ({ kind: 'waiting', code, untilMonotonicMs: undefined });
const record = (event: DurableUpdateEvent): Step => ({ kind: 'record', event });
const slotOf = ({ path, digest, retry }: Target): Slot => ({ path, digest, retry });
