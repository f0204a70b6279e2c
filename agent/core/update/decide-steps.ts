import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import type { Slot, Target } from './slot.ts';
import type { DurableUpdateEvent } from './update-event.ts';
import {
  type AppState,
  type Attempt,
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
  | { readonly kind: 'stop'; readonly app: AppState['app']; readonly because: string };

/** Why an app rests: the decision's own words, which `device explain` repeats. */
export type Rest =
  | { readonly kind: 'settled' }
  | { readonly kind: 'refused'; readonly reason: string; readonly retry: number }
  | {
      readonly kind: 'waiting';
      readonly code: string;
      readonly untilMonotonicMs: number | undefined;
    }
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

const restKinds: readonly string[] = ['settled', 'refused', 'waiting', 'no-model'];
const isRest = (decision: Step | Rest): decision is Rest => restKinds.includes(decision.kind);

function decideApp(state: UpdateState, app: AppState, context: StepContext): Step | Rest {
  const choice = chooseSlot(state, app);
  const running = app.running;

  // After a start or a lost session the proven model answers first; a trial begins behind it.
  if (running === undefined && choice !== undefined) {
    return { kind: 'activate', app: app.app, slot: choice, host: 'worker' };
  }
  const attempt = app.attempt;
  // Its bytes rotted on disk under it and are fetched again; what is in memory is whole and goes on.
  if (attempt !== undefined && attempt.phase !== 'probation' && isSame(running, attempt.target)) {
    return decideInstall(state, attempt, context);
  }
  const trial = attempt?.phase === 'probation' ? attempt : undefined;
  const isOnTrial = trial !== undefined && running?.slot.digest === trial.target.digest;
  // What is neither proven nor on trial must not answer: judged, revoked, withdrawn, or a trial that was given up.
  if (running !== undefined && choice === undefined && !isOnTrial) {
    return { kind: 'stop', app: app.app, because: 'no-model' };
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
  return restOf(state, app, choice);
}

/**
 * What should answer: the wanted bundle if it was committed here, else last-good, else an older one; never one that
 * is revoked or refused. A committed bundle needs no network, no fresh metadata and no download to come back.
 */
function chooseSlot(state: UpdateState, app: AppState): Slot | undefined {
  if (app.isWithdrawn) return undefined;
  const usable = app.held.filter((slot) => !mustNotRun(state, slot));
  return usable.find((slot) => slot.digest === app.wanted?.digest) ?? usable[0];
}

const mustNotRun = (state: UpdateState, slot: Slot): boolean =>
  state.revoked.has(slot.digest) || isJudged(state, slot.digest);

/** A judged slot stays judged until it has proven itself again under a higher retry, which removes the refusal. */
const isJudged = (state: UpdateState, digest: Digest): boolean =>
  state.refusals.some((refusal) => refusal.digest === digest);

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

function restOf(state: UpdateState, app: AppState, choice: Slot | undefined): Rest {
  if (app.isWithdrawn) return { kind: 'no-model', reason: 'withdrawn' };
  const wanted = app.wanted;
  const refusal = wanted === undefined ? undefined : refusalOf(state, wanted);
  if (refusal !== undefined) {
    return { kind: 'refused', reason: refusal.reason, retry: refusal.retry };
  }
  if (wanted !== undefined && state.revoked.has(wanted.digest)) {
    return choice === undefined
      ? { kind: 'no-model', reason: 'revoked' }
      : { kind: 'refused', reason: 'revoked', retry: wanted.retry };
  }
  return choice === undefined
    ? { kind: 'no-model', reason: 'never-installed' }
    : { kind: 'settled' };
}

const isSame = (running: AppState['running'], { digest }: Target): boolean =>
  running?.slot.digest === digest;

const waiting = (code: string): Rest => ({ kind: 'waiting', code, untilMonotonicMs: undefined });
const record = (event: DurableUpdateEvent): Step => ({ kind: 'record', event });
const slotOf = ({ path, digest, retry }: Target): Slot => ({ path, digest, retry });
