import type { DeviceId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { Device } from '../../core/model/device.ts';
import { type LoadedDevice, loadedDeviceOf } from '../../core/rollout/loaded-device.ts';
import type { StoreView } from '../../ports/store.ts';

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
