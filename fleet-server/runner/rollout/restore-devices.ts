import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import type { Rollout } from '../../core/model/rollout.ts';
import { type OrderScope, orderOf } from '../../core/rollout/device-order.ts';
import type { LoadedDevice } from '../../core/rollout/loaded-device.ts';
import type { StoreTx } from '../../ports/store.ts';
import { loadDesiredDevices } from './load-devices.ts';
import type { RolloutBook } from './rollout-book.ts';
import { writeOrders } from './write-orders.ts';

const untold = ['offered', 'acknowledged', 'committed', 'failed', 'unreached'] as const;

/** One batch of exposures that have not been told to go back. */
export async function restoreDevices(
  tx: StoreTx,
  row: Rollout,
  { book, scope }: { readonly book: RolloutBook; readonly scope: OrderScope },
): Promise<readonly DeviceId[]> {
  const { fleet, app } = row;
  const page = { limit: limits.offersPerTurnMax };
  const exposures = await tx.offers.listByPhase(fleet, row.rollout, { phases: untold, page });
  const ids = exposures.map(({ device }) => device);
  const devices = await tx.devices.listByIds(fleet, ids);
  const all = await loadDesiredDevices(tx, devices);
  const ofDevice = (loaded: LoadedDevice) =>
    loaded.desired.exposures.map((exposure) => exposure.rollout);
  const also = [...new Set(all.flatMap(ofDevice))].sort();
  const known = await book.startedOf(tx, { fleet, app, also });
  const ofApp = new Set(scope.rollouts.map(({ state }) => state.id));
  const ordered = all.map((loaded) => {
    const own = new Set(ofDevice(loaded));
    const rollouts = known.filter(({ state: { id } }) => ofApp.has(id) || own.has(id));
    return { device: loaded.device, order: orderOf(loaded, { ...scope, rollouts }) };
  });
  return writeOrders(tx, fleet, ordered);
}
