import type { Facts, ReportedApp, ReportedState } from '../../../shared/contracts/reported.ts';
import type { BootId } from '../../../shared/core/ids.ts';
import type { DeviceIdentity } from '../update/accept-desired.ts';
import type { AppDecision } from '../update/decide-steps.ts';
import { type AppState, sortedApps, type UpdateState } from '../update/update-state.ts';

/** What the report adds to the update state. */
export interface ReportContext {
  readonly identity: DeviceIdentity;
  readonly boot: BootId;
  readonly number: number;
  readonly nowMs: number;
  readonly agentVersion: string;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly facts: Facts;
  readonly zone: string | undefined;
  /** Largest audit head seen, as it was signed. */
  readonly signedHead: string | undefined;
  /** Milliseconds from verdict to the first answer of the previous model, by app. */
  readonly revertMs: ReadonlyMap<string, number>;
  readonly redundancy: ReadonlyMap<string, 'full' | 'shared'>;
}

/** The device's signed manifest: what runs, what is under way, and why something wanted does not run. */
export function composeReport(
  state: UpdateState,
  decisions: readonly AppDecision[],
  context: ReportContext,
): ReportedState {
  const { identity } = context;
  return {
    fleet: identity.fleet,
    device: identity.device,
    epoch: identity.epoch,
    boot: context.boot,
    number: context.number,
    atMs: context.nowMs,
    seen: state.seen,
    apps: sortedApps(state).map((app) =>
      reportApp(
        app,
        decisions.find((decision) => decision.app === app.app),
        context,
      ),
    ),
    refused: state.refusals.map(({ digest, retry, reason }) => ({ digest, retry, reason })),
    agentVersion: context.agentVersion,
    protocol: context.protocol,
    facts: context.facts,
    ...(context.zone === undefined ? {} : { zone: context.zone }),
    ...(context.signedHead === undefined ? {} : { signedHead: context.signedHead }),
  };
}

function reportApp(
  app: AppState,
  decision: AppDecision | undefined,
  context: ReportContext,
): ReportedApp {
  const rest = decision?.rest;
  const lastGood = app.held[0]?.digest;
  const target = app.attempt?.target ?? app.outcome?.target ?? app.wanted;
  const reason = reasonOf(app, rest);
  const revertMs = context.revertMs.get(app.app);
  const redundancy = context.redundancy.get(app.app);
  return {
    app: app.app,
    phase: phaseOf(app, rest),
    ...(target === undefined
      ? {}
      : {
          target: {
            path: target.path,
            digest: target.digest,
            generation: target.generation,
            retry: target.retry,
          },
        }),
    ...(app.running === undefined ? {} : { active: app.running.slot.digest }),
    ...(lastGood === undefined ? {} : { lastGood }),
    ...(reason === undefined ? {} : { reason }),
    ...(redundancy === undefined ? {} : { redundancy }),
    ...(app.outcome?.kind === 'reverted' && app.outcome.regressed ? { regressed: true } : {}),
    ...(revertMs === undefined ? {} : { revertMs }),
  };
}

function phaseOf(app: AppState, rest: AppDecision['rest']): ReportedApp['phase'] {
  if (app.attempt !== undefined) return app.attempt.phase;
  if (rest?.kind === 'no-model' || rest?.kind === 'default-answer') return rest.kind;
  if (rest?.kind === 'refused') return app.outcome?.kind === 'reverted' ? 'reverted' : 'refused';
  return app.outcome?.kind ?? 'idle';
}

function reasonOf(app: AppState, rest: AppDecision['rest']): string | undefined {
  if (rest?.kind === 'waiting') return rest.code;
  if (rest !== undefined && 'reason' in rest) return rest.reason;
  return app.outcome?.kind === 'reverted' ? app.outcome.reason : undefined;
}
