import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId, FleetId } from '../../../shared/core/ids.ts';
import type { OpenPlace } from '../../core/model/rollout.ts';
import { armOf, stratumOf } from '../../core/rollout/assignment.ts';
import type { LoadedDevice } from '../../core/rollout/loaded-device.ts';
import type { DesiredRollout } from '../../core/rollout/offer-facts.ts';
import { isMember } from '../../core/rollout/offer-facts.ts';
import type { StoreTx } from '../../ports/store.ts';
import type { ControlMemo } from './control-memo.ts';
import { loadDesiredDevice } from './load-devices.ts';
import type { RolloutBook } from './rollout-book.ts';

/**
 * What the windows of these devices are counted for. A device with an offer has its place in a row; a member of the
 * holdback has none, and is found by the assignment's own predicate: a million of them cost nothing until they speak.
 */
export async function findPlaces(
  tx: StoreTx,
  asked: {
    readonly fleet: FleetId;
    readonly devices: readonly DeviceId[];
    readonly book: RolloutBook;
    readonly memo: ControlMemo;
    readonly nowMs: number;
  },
): Promise<readonly OpenPlace[]> {
  const { fleet, devices, book, memo, nowMs } = asked;
  const exposed = await tx.offers.listPlaces(fleet, devices);
  const query = { statuses: ['running', 'paused'] as const };
  const open = await book.list(tx, { fleet, query, page: { limit: limits.openRolloutsMax } });
  const compared = open.filter(hasControl);
  if (compared.length === 0) return exposed;
  const held: OpenPlace[] = [];
  const places = new Set(exposed.map(({ device, rollout }) => `${device} ${rollout}`));
  for (const id of devices) {
    let loaded: LoadedDevice | undefined;
    for (const rollout of compared) {
      if (places.has(`${id} ${rollout.state.id}`)) continue;
      const name = `${rollout.state.id} ${id}`;
      let isControl = memo.get(name, nowMs);
      if (isControl === undefined) {
        const device = await tx.devices.get(fleet, id);
        if (device === null) break;
        loaded ??= await loadDesiredDevice(tx, device);
        isControl = isHeldBack(loaded, rollout, nowMs);
        memo.set(name, { isControl, nowMs });
      }
      if (isControl) held.push(controlPlace(id, rollout));
    }
  }
  return [...exposed, ...held];
}

function hasControl({ state, index }: DesiredRollout): boolean {
  if (index === null || index.assignment.isFirstRelease || index.assignment.holdback === 0)
    return false;
  return waveOf(state) < state.spec.waves.length;
}

function isHeldBack(loaded: LoadedDevice, rollout: DesiredRollout, nowMs: number): boolean {
  const { index, state } = rollout;
  if (index === null || !isMember(loaded.desired, rollout, nowMs)) return false;
  const arm = armOf(index, {
    id: loaded.desired.id,
    cell: loaded.desired.cell,
    stratum: stratumOf(index.assignment.stratifyBy, loaded.desired.targetable),
    firstCommittedAtMs: loaded.desired.firstCommittedAtMs.get(state.spec.app) ?? null,
  });
  return arm.arm === 'control';
}

const controlPlace = (device: DeviceId, { state }: DesiredRollout): OpenPlace => ({
  device,
  rollout: state.id,
  app: state.spec.app,
  digest: state.spec.digest,
  arm: 'control',
  wave: waveOf(state),
});

function waveOf(state: DesiredRollout['state']): number {
  if (state.kind === 'running') return state.wave;
  return state.kind === 'paused' ? state.running.wave : state.spec.waves.length;
}
