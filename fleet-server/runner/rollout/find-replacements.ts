import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { Device } from '../../core/model/device.ts';
import { type AssignableDevice, stratumOf } from '../../core/rollout/assignment.ts';
import type { Cell } from '../../core/rollout/cells.ts';
import { decideDesired } from '../../core/rollout/decide-desired.ts';
import type { OrderScope } from '../../core/rollout/device-order.ts';
import { type DesiredRollout, exposureOf } from '../../core/rollout/offer-facts.ts';
import type { RolloutEffect, RolloutEvent } from '../../core/rollout/rollout-state.ts';
import { cellsAfterWave, extendWave, membersAfter } from '../../core/rollout/wave-extension.ts';
import type { StoreTx } from '../../ports/store.ts';
import { loadDesiredDevices } from './load-devices.ts';

type Extension = Extract<RolloutEffect, { readonly type: 'extend-wave' }>;

/** Cells of the first read: of a large fleet they hold enough, and a small one is through after a few doublings. */
const cellsAtFirst = 16;

/**
 * Devices of later waves that take the place of unreached ones: the next in hash order that could be offered the bundle
 * if it were their turn. Reads only as many cells as it takes to find them.
 */
export async function findReplacements(
  tx: StoreTx,
  rollout: DesiredRollout,
  { effect, scope }: { readonly effect: Extension; readonly scope: OrderScope },
): Promise<RolloutEvent> {
  const { index } = rollout;
  invariant(index !== null, 'a wave is extended after membership froze');
  const { wave } = effect;
  const asked = Math.min(effect.by, limits.offersPerTurnMax);
  const cells = cellsAfterWave(index, wave);
  const found: AssignableDevice[] = [];
  for (let from = 0, size = cellsAtFirst; from < cells.length; from += size, size *= 2) {
    const batch = cells.slice(from, from + size);
    const ready = await readCells(tx, rollout, { cells: batch, scope });
    found.push(...membersAfter(index, wave, ready, asked - found.length));
    if (found.length >= asked) break;
  }
  const assignment = extendWave(index, wave, found);
  return { type: 'wave-extended', wave, assignment, added: found.length, asked };
}

/** Those in these cells that nothing but their wave and their maintenance window keeps from the bundle. */
async function readCells(
  tx: StoreTx,
  rollout: DesiredRollout,
  { cells, scope }: { readonly cells: readonly Cell[]; readonly scope: OrderScope },
): Promise<readonly AssignableDevice[]> {
  const { state, target } = rollout;
  const query = { where: target, nowMs: scope.context.nowMs };
  const ready: AssignableDevice[] = [];
  let after: DeviceId | undefined;
  for (;;) {
    const page = { limit: limits.storePageMax, ...(after === undefined ? {} : { after }) };
    const devices = await tx.devices.listCells(state.fleet, cells, { ...query, page });
    ready.push(...(await readyOf(tx, rollout, { devices, scope })));
    after = devices.at(-1)?.device;
    if (devices.length < limits.storePageMax || after === undefined) return ready;
  }
}

async function readyOf(
  tx: StoreTx,
  { state, index }: DesiredRollout,
  { devices, scope }: { readonly devices: readonly Device[]; readonly scope: OrderScope },
): Promise<readonly AssignableDevice[]> {
  const loaded = await loadDesiredDevices(tx, devices);
  return loaded.flatMap(({ desired }) => {
    if (exposureOf(desired, state.id) !== undefined) return [];
    const decision = decideDesired(desired, scope.rollouts, scope.context);
    const considered = decision.because
      .find(({ app }) => app === state.spec.app)
      ?.considered.find((entry) => entry.rollout === state.id);
    const isReady = considered?.facts.every(({ blocks, name }) => !blocks || mayWait.has(name));
    if (isReady !== true) return [];
    const stratum = stratumOf(index?.assignment.stratifyBy ?? [], desired.targetable);
    const firstCommittedAtMs = desired.firstCommittedAtMs.get(state.spec.app) ?? null;
    return [{ id: desired.id, cell: desired.cell, stratum, firstCommittedAtMs }];
  });
}

const mayWait = new Set(['wave', 'maintenance-window']);
