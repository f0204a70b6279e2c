import { limits } from '../../../shared/contracts/limits.ts';
import type { FleetId } from '../../../shared/core/ids.ts';
import { exposureContext } from '../../core/rollout/device-order.ts';
import type { DesiredContext } from '../../core/rollout/offer-facts.ts';
import { stepExposure } from '../../core/rollout/step-exposure.ts';
import type { StoreTx } from '../../ports/store.ts';
import { loadDesiredDevice } from './load-devices.ts';
import type { RolloutBook } from './rollout-book.ts';

/** Silence becomes an outcome when its time is over: one batch, the longest overdue first. */
export async function settleOverdue(
  tx: StoreTx,
  fleet: FleetId,
  { book, context }: { readonly book: RolloutBook; readonly context: DesiredContext },
): Promise<void> {
  const due = await tx.offers.listDue(fleet, context.nowMs, limits.offersPerTurnMax);
  for (const { exposure, cell, arm } of due) {
    const row = await tx.rollouts.get(fleet, exposure.rollout);
    const device = await tx.devices.get(fleet, exposure.device);
    const rollout = row === null ? undefined : book.open(row);
    if (device === null || rollout === undefined) continue;
    const loaded = await loadDesiredDevice(tx, device);
    const around = exposureContext(loaded, rollout, { rollouts: [rollout], context });
    const settled = stepExposure(exposure, { type: 'due' }, around);
    await tx.offers.put(fleet, { cell, arm, exposure: settled });
  }
}
