import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import type { RoundPlan } from '../../core/federation/round-state.ts';
import type { StoreView } from '../../ports/store.ts';

/** Accepted devices that are online and answer with the round's bundle, by id. */
export async function eligibleDevices(
  view: StoreView,
  { fleet, request }: RoundPlan,
  nowMs: number,
): Promise<readonly DeviceId[]> {
  const found: DeviceId[] = [];
  let after: DeviceId | undefined;
  for (let seen = 0; seen < limits.roundCandidatesMax; seen += limits.storePageMax) {
    const page = { limit: limits.storePageMax, ...(after === undefined ? {} : { after }) };
    const devices = await view.devices.list(fleet, { nowMs }, page);
    const present = devices
      .filter(({ state, online }) => state === 'accepted' && online)
      .map(({ device }) => device);
    const apps = await view.deviceApps.listFor(fleet, request.app, present);
    for (const { device, active } of apps) {
      if (active === request.bundle.digest) found.push(device);
    }
    after = devices.at(-1)?.device;
    if (devices.length < limits.storePageMax) break;
  }
  return found.sort();
}
