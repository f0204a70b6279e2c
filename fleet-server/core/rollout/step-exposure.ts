import type { UpdateCounts } from '../../../shared/contracts/cohort-totals.ts';
import type { DesiredEntry } from '../../../shared/contracts/desired.ts';
import type { ReportedApp } from '../../../shared/contracts/reported.ts';
import type { MaintenanceWindow } from '../../../shared/contracts/rollout.ts';
import type { AppName, DeviceId, Digest, RolloutId } from '../../../shared/core/ids.ts';
import { unreachable } from '../../../shared/core/invariant.ts';
import type { Zones } from '../../../shared/ports/zones.ts';
import { addWindowTime } from './maintenance-window.ts';

/**
 * One device under one rollout, from its offer on: a row with an index on (rollout, phase) and one on `dueAtMs`.
 * `unreached` is neither good nor bad; silence after the acknowledgement is `failed`.
 */
export interface Exposure {
  readonly rollout: RolloutId;
  readonly device: DeviceId;
  readonly app: AppName;
  readonly digest: Digest;
  readonly retry: number;
  /** The wave in which it was offered; one above the last wave for those that follow. */
  readonly wave: number;
  /** Generation of the newest offer. */
  readonly generation: number;
  /** The device's own entry before the first offer: what an abort restores. */
  readonly previous: DesiredEntry | null;
  readonly offeredAtMs: number;
  readonly acknowledgedAtMs: number | null;
  readonly phase: ExposurePhase;
  /** Why it failed. */
  readonly code: string | null;
  /** When silence changes the phase; null when it does not. */
  readonly dueAtMs: number | null;
  /** The retry at which it was taken back after its commit; null when it never was. */
  readonly regressedRetry: number | null;
}

export type ExposurePhase = keyof UpdateCounts;

export type ExposureEvent =
  | {
      readonly type: 'reported';
      /** Newest generation that the device has verified. */
      readonly generation: number;
      /** Undefined when the device reports nothing about the app. */
      readonly app: ReportedApp | undefined;
    }
  /** `dueAtMs` has passed. */
  | { readonly type: 'due' }
  /** The rollout aborts; `generation` carries the restored entry. */
  | { readonly type: 'restore'; readonly generation: number }
  | { readonly type: 'offer-again'; readonly generation: number; readonly retry: number }
  | { readonly type: 'superseded' };

export interface ExposureContext {
  readonly nowMs: number;
  readonly zone: string;
  readonly zones: Zones;
  readonly window: MaintenanceWindow | null;
  readonly deadlineMs: number;
  readonly reachMs: number;
}

/** The next state of one exposure; the same object when nothing changed. Applying an event twice is nothing. */
export function stepExposure(
  exposure: Exposure,
  event: ExposureEvent,
  context: ExposureContext,
): Exposure {
  switch (event.type) {
    case 'reported':
      return stepReported(exposure, event, context);
    case 'due':
      return stepDue(exposure, context.nowMs);
    case 'restore':
      return exposure.phase === 'restored' || exposure.phase === 'superseded'
        ? exposure
        : {
            ...exposure,
            phase: 'restoring',
            generation: event.generation,
            dueAtMs: context.nowMs + context.reachMs,
          };
    case 'offer-again':
      return event.retry <= exposure.retry
        ? exposure
        : {
            ...exposure,
            phase: 'offered',
            code: null,
            retry: event.retry,
            generation: event.generation,
            offeredAtMs: context.nowMs,
            acknowledgedAtMs: null,
            dueAtMs: context.nowMs + context.reachMs,
          };
    case 'superseded':
      return settle(exposure, 'superseded', null);
    default:
      return unreachable(event);
  }
}

type Report = Extract<ExposureEvent, { type: 'reported' }>;

function stepReported(exposure: Exposure, report: Report, context: ExposureContext): Exposure {
  if (report.generation < exposure.generation) return exposure;
  const { phase } = exposure;
  if (phase === 'superseded' || phase === 'restored') return exposure;
  if (phase === 'restoring' || phase === 'unrestored')
    return isRestored(exposure, report.app) ? settle(exposure, 'restored', null) : exposure;
  const outcome = outcomeOfReport(exposure, report.app);
  const acknowledgedAtMs = exposure.acknowledgedAtMs ?? context.nowMs;
  if (outcome !== undefined) {
    const regressedRetry = outcome.isRegressed ? exposure.retry : exposure.regressedRetry;
    const heard = { ...exposure, acknowledgedAtMs, regressedRetry };
    return settle(heard, outcome.phase, outcome.code);
  }
  // A device that was silent or out of reach and works on it now is in time again only if it never had a deadline.
  if (exposure.acknowledgedAtMs !== null) return exposure;
  const span = { fromMs: acknowledgedAtMs, durationMs: context.deadlineMs };
  const dueAtMs = addWindowTime(context.window, context, span);
  return { ...exposure, phase: 'acknowledged', acknowledgedAtMs, dueAtMs };
}

function stepDue(exposure: Exposure, nowMs: number): Exposure {
  if (exposure.dueAtMs === null || nowMs < exposure.dueAtMs) return exposure;
  switch (exposure.phase) {
    case 'offered':
      return settle(exposure, 'unreached', null);
    case 'acknowledged':
      return settle(exposure, 'failed', 'silent-past-deadline');
    case 'restoring':
      // Its desired state says the previous entry; the next report settles it.
      return settle(exposure, 'unrestored', null);
    case 'committed':
    case 'failed':
    case 'unreached':
    case 'superseded':
    case 'unrestored':
    case 'restored':
      return { ...exposure, dueAtMs: null };
    default:
      return unreachable(exposure.phase);
  }
}

function settle(exposure: Exposure, phase: ExposurePhase, code: string | null): Exposure {
  const isSame = exposure.phase === phase && exposure.code === code && exposure.dueAtMs === null;
  return isSame ? exposure : { ...exposure, phase, code, dueAtMs: null };
}

interface Outcome {
  readonly phase: 'committed' | 'failed';
  readonly code: string | null;
  readonly isRegressed: boolean;
}

/** What the report proves about this offer; undefined while it is under way. */
function outcomeOfReport(exposure: Exposure, app: ReportedApp | undefined): Outcome | undefined {
  const target = app?.target;
  if (app === undefined || target?.digest !== exposure.digest) return undefined;
  if (target.retry < exposure.retry) return undefined;
  if (app.regressed === true) {
    return { phase: 'failed', code: app.reason ?? 'regressed', isRegressed: true };
  }
  // The device waits for fresh metadata: that says nothing of the bundle, and passes.
  if (app.reason === 'metadata-stale') return undefined;
  switch (app.phase) {
    case 'committed':
      return { phase: 'committed', code: null, isRegressed: false };
    case 'reverted':
    case 'refused':
    case 'no-model':
    case 'default-answer':
      return { phase: 'failed', code: app.reason ?? 'failed-updates', isRegressed: false };
    case 'idle':
    case 'fetching':
    case 'verifying':
    case 'staging':
    case 'self-testing':
    case 'probation':
      return undefined;
    default:
      return unreachable(app.phase);
  }
}

/**
 * Runs its previous bundle again; or has settled on something other than the aborted one, because the previous
 * entry itself did not hold on this device.
 */
function isRestored(exposure: Exposure, app: ReportedApp | undefined): boolean {
  if (app?.active === exposure.digest) return false;
  if (exposure.previous === null || app === undefined) return true;
  return app.active === exposure.previous.digest || settledPhases.has(app.phase);
}

const settledPhases = new Set([
  'idle',
  'committed',
  'reverted',
  'refused',
  'no-model',
  'default-answer',
]);

/** Adds one transition to stored counts, so that a tally never needs a scan. */
export function countTransition(
  counts: UpdateCounts,
  from: ExposurePhase | null,
  to: ExposurePhase,
): UpdateCounts {
  if (from === to) return counts;
  const next = { ...counts, [to]: counts[to] + 1 };
  return from === null ? next : { ...next, [from]: counts[from] - 1 };
}

/** The exposure that a first offer opens. `previous` is `AppDecision.previous`. */
export function openExposure(
  offer: Pick<Exposure, 'device' | 'wave' | 'generation' | 'previous'> & {
    readonly entry: DesiredEntry & { readonly rollout: RolloutId };
  },
  context: Pick<ExposureContext, 'nowMs' | 'reachMs'>,
): Exposure {
  const { entry, device, wave, generation, previous } = offer;
  return {
    rollout: entry.rollout,
    device,
    app: entry.app,
    digest: entry.digest,
    retry: entry.retry,
    wave,
    generation,
    previous,
    offeredAtMs: context.nowMs,
    acknowledgedAtMs: null,
    phase: 'offered',
    code: null,
    dueAtMs: context.nowMs + context.reachMs,
    regressedRetry: null,
  };
}
