import { allDone } from '../../../shared/core/all-done.ts';
import type { FleetId } from '../../../shared/core/ids.ts';
import type { DesiredDecision } from '../../core/rollout/decide-desired.ts';
import { type OrderScope, orderOf } from '../../core/rollout/device-order.ts';
import type { LoadedDevice } from '../../core/rollout/loaded-device.ts';
import type { StoreTx } from '../../ports/store.ts';

/** A device with the rollouts that may matter to it. */
export interface DeviceInScope {
  readonly loaded: LoadedDevice;
  readonly scope: OrderScope;
}

/**
 * Decides what each device shall run and writes it down: entries, exposures, generations. Signing follows outside the
 * transaction. A statement for each kind of record, because its way to the store costs more than its work. Decisions
 * come in the order of the devices.
 */
export async function orderDevices(
  tx: StoreTx,
  fleet: FleetId,
  devices: readonly DeviceInScope[],
): Promise<readonly DesiredDecision[]> {
  const orders = devices.map(({ loaded, scope }) => orderOf(loaded, scope));
  const issued = orders.flatMap(({ decision }, place) => {
    const device = devices[place]?.loaded.device.device;
    const { changed, generation } = decision;
    return changed && device !== undefined ? [{ device, issuedGeneration: generation }] : [];
  });
  await allDone([
    tx.deviceApps.putMany(orders.flatMap(({ apps }) => apps)),
    tx.offers.putMany(
      fleet,
      orders.flatMap(({ offers }) => offers),
    ),
    tx.devices.issue(fleet, issued),
  ]);
  return orders.map(({ decision }) => decision);
}
