import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import type { Device } from '../../core/model/device.ts';
import { cellsOfWave } from '../../core/rollout/assignment.ts';
import type { DesiredDecision } from '../../core/rollout/decide-desired.ts';
import type { OrderScope } from '../../core/rollout/device-order.ts';
import type { DesiredRollout } from '../../core/rollout/offer-facts.ts';
import type { StoreTx } from '../../ports/store.ts';
import { loadDesiredDevices } from './load-devices.ts';
import { orderDevices } from './order-devices.ts';

export interface WaveScan {
  /** Devices whose desired state changed in this batch. */
  readonly ordered: readonly DeviceId[];
  /** Members of the open wave that could still be offered the bundle. */
  readonly offerable: number;
  /** Members of it that cannot be. */
  readonly blocked: number;
}

/** Offers the open wave to at most one batch of its members and counts the rest. */
export async function offerWave(
  tx: StoreTx,
  rollout: DesiredRollout,
  scope: OrderScope,
): Promise<WaveScan> {
  const ordered: DeviceId[] = [];
  let offerable = 0;
  let blocked = 0;
  for await (const devices of membersOf(tx, rollout, scope)) {
    const all = await loadDesiredDevices(tx, devices);
    for (let at = 0; at < all.length; ) {
      // The next turn takes the rest; what is left of this page stands for them.
      const room = limits.offersPerTurnMax - ordered.length;
      if (room === 0) return { ordered, offerable: offerable + all.length - at, blocked };
      const batch = all.slice(at, at + room);
      at += batch.length;
      const inScope = batch.map((loaded) => ({ loaded, scope }));
      const decisions = await orderDevices(tx, rollout.state.fleet, inScope);
      for (const [place, decision] of decisions.entries()) {
        const device = batch[place]?.device.device;
        if (decision.changed && device !== undefined) ordered.push(device);
        const standing = standingOf(decision, rollout);
        if (standing === 'offerable') offerable += 1;
        if (standing === 'blocked') blocked += 1;
      }
    }
  }
  return { ordered, offerable, blocked };
}

/**
 * What a device that was not offered the bundle means for the wave. One that only waits for its maintenance window is
 * still to come; one of a later wave is nobody's business yet.
 */
function standingOf(
  decision: DesiredDecision,
  { state }: DesiredRollout,
): 'offered' | 'offerable' | 'blocked' | 'elsewhere' {
  const app = decision.because.find((entry) => entry.app === state.spec.app);
  const considered = app?.considered.find((entry) => entry.rollout === state.id);
  if (considered === undefined) return 'elsewhere';
  if (considered.outcome !== 'waits') return 'offered';
  const blocking = considered.facts.filter((fact) => fact.blocks).map((fact) => fact.name);
  if (blocking.includes('member') || blocking.includes('wave') || blocking.includes('enrolment')) {
    return 'elsewhere';
  }
  return blocking.every((name) => name === 'maintenance-window') ? 'offerable' : 'blocked';
}

async function* membersOf(
  tx: StoreTx,
  { state, target, index }: DesiredRollout,
  { context }: OrderScope,
): AsyncGenerator<readonly Device[]> {
  const query = { where: target, nowMs: context.nowMs };
  const wave = state.kind === 'running' ? state.wave : state.spec.waves.length;
  const cells =
    index === null ? [] : cellsOfWave(index, wave < state.spec.waves.length ? wave : 'follow');
  if (cells.length > limits.cellsScannedSinglyMax) {
    const all = (after?: DeviceId) => tx.devices.list(state.fleet, query, pageAfter(after));
    yield* paged(all);
    return;
  }
  const inCells = (after?: DeviceId) =>
    tx.devices.listCells(state.fleet, cells, { ...query, page: pageAfter(after) });
  if (cells.length > 0) yield* paged(inCells);
}

const pageAfter = (after: DeviceId | undefined) => ({
  limit: limits.storePageMax,
  ...(after === undefined ? {} : { after }),
});

async function* paged(
  read: (after?: DeviceId) => Promise<readonly Device[]>,
): AsyncGenerator<readonly Device[]> {
  let after: DeviceId | undefined;
  for (;;) {
    const page = await read(after);
    yield page;
    after = page.at(-1)?.device;
    if (page.length < limits.storePageMax || after === undefined) return;
  }
}
