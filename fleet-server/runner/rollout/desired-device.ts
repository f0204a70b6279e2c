import type { DesiredEntry } from '../../../shared/contracts/desired.ts';
import type { AppName, DeviceId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { Device } from '../../core/model/device.ts';
import type { DeviceApp, WantedEntry } from '../../core/model/device-app.ts';
import type { DesiredDevice } from '../../core/rollout/offer-facts.ts';
import type { Exposure } from '../../core/rollout/step-exposure.ts';
import { protocolOf } from '../../core/session/spoken-protocol.ts';
import type { TargetableDevice } from '../../core/targeting/filter-ast.ts';
import type { StoreView } from '../../ports/store.ts';

/** A device with its apps and its part in rollouts, as the decisions see it. */
export interface LoadedDevice {
  readonly device: Device;
  readonly apps: readonly DeviceApp[];
  readonly desired: DesiredDevice;
}

export async function loadDesiredDevice(view: StoreView, device: Device): Promise<LoadedDevice> {
  const [loaded] = await loadDesiredDevices(view, [device]);
  invariant(loaded !== undefined, 'one device in, one out');
  return loaded;
}

/** In the order given; two queries, however many devices of the fleet there are. */
export async function loadDesiredDevices(
  view: StoreView,
  devices: readonly Device[],
): Promise<readonly LoadedDevice[]> {
  const [first] = devices;
  if (first === undefined) return [];
  const ids = devices.map(({ device }) => device);
  const [apps, exposures] = await Promise.all([
    view.deviceApps.listOf(first.fleet, ids),
    view.offers.listExposures(first.fleet, ids),
  ]);
  const appsOf = byDevice(apps);
  const exposuresOf = byDevice(exposures);
  return devices.map((device) =>
    loadedDeviceOf(device, appsOf.get(device.device) ?? [], exposuresOf.get(device.device) ?? []),
  );
}

export const loadedDeviceOf = (
  device: Device,
  apps: readonly DeviceApp[],
  exposures: readonly Exposure[],
): LoadedDevice => ({ device, apps, desired: desiredDeviceOf(device, apps, exposures) });

function byDevice<T extends { readonly device: DeviceId }>(
  rows: readonly T[],
): ReadonlyMap<DeviceId, readonly T[]> {
  const found = new Map<DeviceId, T[]>();
  for (const row of rows) {
    const known = found.get(row.device);
    if (known === undefined) found.set(row.device, [row]);
    else known.push(row);
  }
  return found;
}

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
