import type { DesiredEntry } from '../../../shared/contracts/desired.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import type { Device } from '../model/device.ts';
import type { DeviceApp, WantedEntry } from '../model/device-app.ts';
import { protocolOf } from '../session/spoken-protocol.ts';
import type { TargetableDevice } from '../targeting/filter-ast.ts';
import type { DesiredDevice } from './offer-facts.ts';
import type { Exposure } from './step-exposure.ts';

/** A device with its apps and its part in rollouts, as the decisions see it. */
export interface LoadedDevice {
  readonly device: Device;
  readonly apps: readonly DeviceApp[];
  readonly desired: DesiredDevice;
}

export const loadedDeviceOf = (
  device: Device,
  apps: readonly DeviceApp[],
  exposures: readonly Exposure[],
): LoadedDevice => ({ device, apps, desired: desiredDeviceOf(device, apps, exposures) });

function desiredDeviceOf(
  device: Device,
  apps: readonly DeviceApp[],
  exposures: readonly Exposure[],
): DesiredDevice {
  const desired = new Map<AppName, DesiredEntry>();
  const firstCommittedAtMs = new Map<AppName, number>();
  for (const app of apps) {
    if (app.desired !== null) desired.set(app.app, desiredEntryOf(app.app, app.desired));
    if (app.firstCommittedAtMs !== null) firstCommittedAtMs.set(app.app, app.firstCommittedAtMs);
  }
  return {
    id: device.device,
    cell: device.cell,
    targetable: targetableOf(device),
    generation: Math.max(device.issuedGeneration, device.seenGeneration),
    desired,
    firstCommittedAtMs,
    refused: apps.flatMap((app) => app.refused),
    exposures,
    protocol: protocolOf(device),
    agentVersion: device.agentVersion,
  };
}

export const desiredEntryOf = (app: AppName, entry: WantedEntry): DesiredEntry => ({
  app,
  path: entry.path,
  digest: entry.digest,
  retry: entry.retry,
  ...(entry.rollout === null ? {} : { rollout: entry.rollout }),
});

export const wantedEntryOf = (entry: DesiredEntry, nowMs: number): WantedEntry => ({
  path: entry.path,
  digest: entry.digest,
  rollout: entry.rollout ?? null,
  retry: entry.retry,
  sinceMs: nowMs,
});

/** A device without a zone lives in UTC: its maintenance window is still one and the same for everybody who looks. */
export const targetableOf = (device: Device): TargetableDevice => ({
  device: device.device,
  state: device.state,
  zone: device.zone ?? 'UTC',
  online: device.online,
  lastSeenMs: device.lastSeenMs,
  enrolledAtMs: device.enrolledAtMs,
  tags: new Map(Object.entries(device.tags)),
  facts: new Map(Object.entries(device.facts)),
});
