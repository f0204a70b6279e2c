import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import type { Device } from '../../core/model/device.ts';
import { cellsOfWave } from '../../core/rollout/assignment.ts';
import type { DesiredDecision } from '../../core/rollout/decide-desired.ts';
import { type DeviceOrder, type OrderScope, orderOf } from '../../core/rollout/device-order.ts';
import type { DesiredRollout } from '../../core/rollout/offer-facts.ts';
import type { StoreView } from '../../ports/store.ts';
import { loadDesiredDevices } from './load-devices.ts';
import type { OrderedDevice } from './write-orders.ts';

/** What those of an open wave that were looked at come to. */
export interface WaveCount {
  /** Could still be offered the bundle. */
  readonly offerable: number;
  /** Cannot be. */
  readonly blocked: number;
}

/** Some members of an open wave, one after the other in the order of their ids. */
export interface WaveStretch extends WaveCount {
  /** What is to be written down; few enough for one transaction. */
  readonly orders: readonly OrderedDevice[];
  /** The last one that was looked at, when the wave goes on after it. */
  readonly stoppedAt: DeviceId | null;
}

/**
 * Decides for the next members of the open wave, after one of them or from the first. Bounded in what it reads and in
 * what it orders; nothing is written here.
 */
export async function readWave(
  view: StoreView,
  rollout: DesiredRollout,
  { scope, after }: { readonly scope: OrderScope; readonly after: DeviceId | null },
): Promise<WaveStretch> {
  const orders: OrderedDevice[] = [];
  let offerable = 0;
  let blocked = 0;
  let stoppedAt = after;
  for (let looked = 0; looked < limits.waveWalkedPerTurnMax; ) {
    const limit = limits.offersPerTurnMax - orders.length;
    if (limit === 0) return { orders, offerable, blocked, stoppedAt };
    const devices = await membersAfter(view, rollout, {
      scope,
      page: { limit, ...(stoppedAt === null ? {} : { after: stoppedAt }) },
    });
    for (const loaded of await loadDesiredDevices(view, devices)) {
      const order = orderOf(loaded, scope);
      if (isOrder(order)) orders.push({ device: loaded.device, order });
      const standing = standingOf(order.decision, rollout);
      if (standing === 'offerable') offerable += 1;
      if (standing === 'blocked') blocked += 1;
    }
    looked += devices.length;
    stoppedAt = devices.at(-1)?.device ?? stoppedAt;
    if (devices.length < limit) return { orders, offerable, blocked, stoppedAt: null };
  }
  return { orders, offerable, blocked, stoppedAt };
}

/** The whole wave without telling anybody; or as far as the first who are to be told, because they hold it anyway. */
export async function countWave(
  view: StoreView,
  rollout: DesiredRollout,
  scope: OrderScope,
): Promise<WaveCount> {
  let offerable = 0;
  let blocked = 0;
  let after: DeviceId | null = null;
  do {
    const stretch: WaveStretch = await readWave(view, rollout, { scope, after });
    offerable += stretch.offerable + stretch.orders.length;
    blocked += stretch.blocked;
    after = stretch.orders.length > 0 ? null : stretch.stoppedAt;
  } while (after !== null);
  return { offerable, blocked };
}

/** An exposure may go back although its device already runs what it shall. */
const isOrder = ({ decision, apps, offers }: DeviceOrder): boolean =>
  decision.changed || apps.length > 0 || offers.length > 0;

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

/** By device id. Few cells are asked for one by one, many by a pass over all that the target means. */
function membersAfter(
  view: StoreView,
  { state, target, index }: DesiredRollout,
  { scope, page }: { readonly scope: OrderScope; readonly page: { readonly limit: number } },
): Promise<readonly Device[]> {
  const query = { where: target, nowMs: scope.context.nowMs };
  const wave = state.kind === 'running' ? state.wave : state.spec.waves.length;
  const cells =
    index === null ? [] : cellsOfWave(index, wave < state.spec.waves.length ? wave : 'follow');
  if (cells.length === 0) return Promise.resolve([]);
  return cells.length > limits.cellsScannedSinglyMax
    ? view.devices.list(state.fleet, query, page)
    : view.devices.listCells(state.fleet, cells, { ...query, page });
}
