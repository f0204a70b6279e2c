import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import type { Rollout } from '../../core/model/rollout.ts';
import type { DesiredContext } from '../../core/rollout/offer-facts.ts';
import type { StoreTx } from '../../ports/store.ts';
import { loadDesiredDevices } from './desired-device.ts';
import { orderDevice } from './order-device.ts';
import type { RolloutBook } from './rollout-book.ts';

const untold = ['offered', 'acknowledged', 'committed', 'failed', 'unreached'] as const;

/** One batch of exposures that have not been told to go back. */
export async function restoreDevices(
  tx: StoreTx,
  row: Rollout,
  { book, context }: { readonly book: RolloutBook; readonly context: DesiredContext },
): Promise<readonly DeviceId[]> {
  const { fleet, app } = row;
  const page = { limit: limits.offersPerTurnMax };
  const exposures = await tx.offers.listByPhase(fleet, row.rollout, { phases: untold, page });
  const ids = exposures.map(({ device }) => device);
  const devices = await tx.devices.listByIds(fleet, ids);
  const ordered: DeviceId[] = [];
  for (const loaded of await loadDesiredDevices(tx, devices)) {
    const also = loaded.desired.exposures.map((exposure) => exposure.rollout);
    const rollouts = await book.startedOf(tx, { fleet, app, also });
    if ((await orderDevice(tx, loaded, { rollouts, context })).changed)
      ordered.push(loaded.device.device);
  }
  return ordered;
}
