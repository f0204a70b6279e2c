import type { RolloutId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { blankDeviceApp, type DeviceApp } from '../model/device-app.ts';
import type { Offer } from '../model/rollout.ts';
import { type AppDecision, type DesiredDecision, decideDesired } from './decide-desired.ts';
import { type LoadedDevice, wantedEntryOf } from './loaded-device.ts';
import { type DesiredContext, type DesiredRollout, exposureOf } from './offer-facts.ts';
import {
  type Exposure,
  type ExposureContext,
  type ExposureEvent,
  openExposure,
  stepExposure,
} from './step-exposure.ts';

export interface OrderScope {
  readonly rollouts: readonly DesiredRollout[];
  readonly context: DesiredContext;
}

/** What a device shall run, with every record that says so. */
export interface DeviceOrder {
  readonly decision: DesiredDecision;
  readonly apps: readonly DeviceApp[];
  /** At most one of each rollout. */
  readonly offers: readonly Offer[];
}

/** Deciding again after the records were written changes nothing: the second decision is `keep`. */
export function orderOf(loaded: LoadedDevice, scope: OrderScope): DeviceOrder {
  const decision = decideDesired(loaded.desired, scope.rollouts, scope.context);
  const { generation } = decision;
  const exposures = new Map<RolloutId, Exposure>();
  const write = (exposure: Exposure | undefined): void => {
    if (exposure !== undefined) exposures.set(exposure.rollout, exposure);
  };
  for (const change of decision.because) {
    if (change.decision !== 'offer') continue;
    write(offered(loaded, { change, generation, scope }));
    for (const rollout of change.supersedes) {
      write(stepped(loaded, { rollout, event: { type: 'superseded' }, scope }));
    }
  }
  for (const rollout of restorable(loaded, scope)) {
    write(stepped(loaded, { rollout, event: { type: 'restore', generation }, scope }));
  }
  const { cell } = loaded.device;
  return {
    decision,
    apps: decision.because
      .filter((change) => change.decision !== 'keep')
      .map((change) => changedApp(loaded, change, scope)),
    offers: [...exposures.values()].map((exposure) => ({ cell, arm: 'wave', exposure })),
  };
}

function changedApp(
  { device, apps }: LoadedDevice,
  change: AppDecision,
  { context: { nowMs } }: OrderScope,
): DeviceApp {
  const known = apps.find((app) => app.app === change.app) ?? blankDeviceApp(device, change.app);
  const desired = change.entry === null ? null : wantedEntryOf(change.entry, nowMs);
  const previous = change.previous === null ? null : wantedEntryOf(change.previous, nowMs);
  return { ...known, desired, previous };
}

function offered(
  loaded: LoadedDevice,
  offer: { readonly change: AppDecision; readonly generation: number; readonly scope: OrderScope },
): Exposure {
  const { change, generation, scope } = offer;
  const { entry, previous } = change;
  const rollout = scope.rollouts.find(({ state }) => state.id === change.rollout);
  invariant(rollout !== undefined && entry !== null, 'an offer names its rollout and entry');
  const context = exposureContext(loaded, rollout, scope);
  const { id } = rollout.state;
  const before = exposureOf(loaded.desired, id);
  if (before !== undefined) {
    return stepExposure(before, { type: 'offer-again', generation, retry: entry.retry }, context);
  }
  const { device } = loaded.device;
  const wave = offerWave(rollout);
  const named = { ...entry, rollout: id };
  return openExposure({ device, wave, generation, previous, entry: named }, context);
}

/** Exposures of aborted rollouts go back, whether or not this device's entry had to change for it. */
function restorable({ desired }: LoadedDevice, { rollouts }: OrderScope): readonly RolloutId[] {
  return desired.exposures.flatMap(({ rollout, phase }) => {
    const state = rollouts.find((known) => known.state.id === rollout)?.state;
    const goesBack = state?.kind === 'aborting' || state?.kind === 'aborted';
    const isTold = phase === 'restoring' || phase === 'unrestored';
    return goesBack && !isTold ? [rollout] : [];
  });
}

/** `undefined` where nothing is to be written. */
function stepped(
  loaded: LoadedDevice,
  step: { readonly rollout: RolloutId; readonly event: ExposureEvent; readonly scope: OrderScope },
): Exposure | undefined {
  const exposure = exposureOf(loaded.desired, step.rollout);
  const rollout = step.scope.rollouts.find(({ state }) => state.id === step.rollout);
  if (exposure === undefined || rollout === undefined) return undefined;
  const after = stepExposure(exposure, step.event, exposureContext(loaded, rollout, step.scope));
  return after === exposure ? undefined : after;
}

export function exposureContext(
  loaded: LoadedDevice,
  { state }: DesiredRollout,
  { context }: OrderScope,
): ExposureContext {
  const { window, deadlineMs, reachMs } = state.spec;
  const { zone } = loaded.desired.targetable;
  return { nowMs: context.nowMs, zone, zones: context.zones, window, deadlineMs, reachMs };
}

const offerWave = ({ state }: DesiredRollout): number =>
  state.kind === 'running' ? state.wave : state.spec.waves.length;
