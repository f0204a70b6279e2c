import { allDone } from '../../../shared/core/all-done.ts';
import type { DeviceId, FleetId } from '../../../shared/core/ids.ts';
import type { Device } from '../../core/model/device.ts';
import type { DeviceOrder } from '../../core/rollout/device-order.ts';
import type { StoreTx } from '../../ports/store.ts';

export interface OrderedDevice {
  readonly device: Device;
  readonly order: DeviceOrder;
}

/**
 * Writes down what devices shall run: entries, exposures, generations. Answers whose desired state changed: signing
 * follows outside the transaction. A statement for each kind of record, because its way to the store costs more than
 * its work.
 */
export async function writeOrders(
  tx: StoreTx,
  fleet: FleetId,
  ordered: readonly OrderedDevice[],
): Promise<readonly DeviceId[]> {
  const issued = ordered
    .filter(({ order }) => order.decision.changed)
    .map(({ device: { device }, order }) => ({
      ...{ device, issuedGeneration: order.decision.generation },
    }));
  await allDone([
    tx.deviceApps.putMany(ordered.flatMap(({ order }) => order.apps)),
    tx.offers.putMany(
      fleet,
      ordered.flatMap(({ order }) => order.offers),
    ),
    tx.devices.issue(fleet, issued),
  ]);
  return issued.map(({ device }) => device);
}
