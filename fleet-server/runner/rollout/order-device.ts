import type { RolloutId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { blankDeviceApp } from '../../core/model/device-app.ts';
import {
  type AppDecision,
  type DesiredDecision,
  decideDesired,
} from '../../core/rollout/decide-desired.ts';
import type { DesiredContext, DesiredRollout } from '../../core/rollout/offer-facts.ts';
import {
  type Exposure,
  type ExposureContext,
  type ExposureEvent,
  openExposure,
  stepExposure,
} from '../../core/rollout/step-exposure.ts';
import type { StoreTx } from '../../ports/store.ts';
import { type LoadedDevice, wantedEntryOf } from './desired-device.ts';

export interface OrderScope {
  readonly rollouts: readonly DesiredRollout[];
  readonly context: DesiredContext;
}

/**
 * Decides what the device shall run and writes it down: entries, exposures, generation. Signing follows outside
 * the transaction. Doing it twice changes nothing, because the second decision is `keep`.
 */
export async function orderDevice(
  tx: StoreTx,
  loaded: LoadedDevice,
  scope: OrderScope,
): Promise<DesiredDecision> {
  const decision = decideDesired(loaded.desired, scope.rollouts, scope.context);
  for (const change of decision.because) {
    if (change.decision !== 'keep') await writeEntry(tx, loaded, { change, scope });
    if (change.decision === 'offer') {
      await writeOffer(tx, loaded, { change, generation: decision.generation, scope });
    }
  }
  await restoreExposures(tx, loaded, { generation: decision.generation, scope });
  if (decision.changed) {
    const { fleet, device } = loaded.device;
    await tx.devices.update(fleet, device, { issuedGeneration: decision.generation });
  }
  return decision;
}

async function writeEntry(
  tx: StoreTx,
  { device, apps }: LoadedDevice,
  { change, scope }: { readonly change: AppDecision; readonly scope: OrderScope },
): Promise<void> {
  const { nowMs } = scope.context;
  const known = apps.find((app) => app.app === change.app) ?? blankDeviceApp(device, change.app);
  const desired = change.entry === null ? null : wantedEntryOf(change.entry, nowMs);
  const previous = change.previous === null ? null : wantedEntryOf(change.previous, nowMs);
  await tx.deviceApps.put({ ...known, desired, previous });
}

async function writeOffer(
  tx: StoreTx,
  loaded: LoadedDevice,
  offer: { readonly change: AppDecision; readonly generation: number; readonly scope: OrderScope },
): Promise<void> {
  const { change, generation, scope } = offer;
  const { fleet, device: id, cell } = loaded.device;
  const rollout = scope.rollouts.find(({ state }) => state.id === change.rollout);
  invariant(rollout !== undefined && change.entry !== null, 'an offer names its rollout and entry');
  const context = exposureContext(loaded, rollout, scope);
  const { entry } = change;
  const before = exposureOf(loaded, rollout.state.id);
  const exposure =
    before === undefined
      ? openExposure(
          {
            device: id,
            wave: offerWave(rollout),
            generation,
            previous: change.previous,
            entry: { ...entry, rollout: rollout.state.id },
          },
          context,
        )
      : stepExposure(before, { type: 'offer-again', generation, retry: entry.retry }, context);
  await tx.offers.put(fleet, { cell, arm: 'wave', exposure });
  for (const superseded of change.supersedes) {
    await stepStored(tx, loaded, { rollout: superseded, event: { type: 'superseded' }, scope });
  }
}

/** Exposures of aborted rollouts go back, whether or not this device's entry had to change for it. */
async function restoreExposures(
  tx: StoreTx,
  loaded: LoadedDevice,
  { generation, scope }: { readonly generation: number; readonly scope: OrderScope },
): Promise<void> {
  for (const exposure of loaded.desired.exposures) {
    const state = scope.rollouts.find((rollout) => rollout.state.id === exposure.rollout)?.state;
    const goesBack = state?.kind === 'aborting' || state?.kind === 'aborted';
    const isTold = exposure.phase === 'restoring' || exposure.phase === 'unrestored';
    if (!goesBack || isTold) continue;
    const event = { type: 'restore' as const, generation };
    await stepStored(tx, loaded, { rollout: exposure.rollout, event, scope });
  }
}

async function stepStored(
  tx: StoreTx,
  loaded: LoadedDevice,
  step: { readonly rollout: RolloutId; readonly event: ExposureEvent; readonly scope: OrderScope },
): Promise<void> {
  const exposure = exposureOf(loaded, step.rollout);
  const rollout = step.scope.rollouts.find(({ state }) => state.id === step.rollout);
  if (exposure === undefined || rollout === undefined) return;
  const after = stepExposure(exposure, step.event, exposureContext(loaded, rollout, step.scope));
  if (after === exposure) return;
  const { fleet, cell } = loaded.device;
  await tx.offers.put(fleet, { cell, arm: 'wave', exposure: after });
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

const exposureOf = ({ desired }: LoadedDevice, rollout: RolloutId): Exposure | undefined =>
  desired.exposures.find((exposure) => exposure.rollout === rollout);

const offerWave = ({ state }: DesiredRollout): number =>
  state.kind === 'running' ? state.wave : state.spec.waves.length;
