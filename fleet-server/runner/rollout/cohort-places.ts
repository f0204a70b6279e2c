import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId, FleetId } from '../../../shared/core/ids.ts';
import type { OpenPlace } from '../../core/model/rollout.ts';
import { armOf, stratumOf } from '../../core/rollout/assignment.ts';
import type { DesiredRollout } from '../../core/rollout/offer-facts.ts';
import { isMember } from '../../core/rollout/offer-facts.ts';
import type { StoreTx } from '../../ports/store.ts';
import { type LoadedDevice, loadDesiredDevice } from './desired-device.ts';
import type { RolloutBook } from './rollout-book.ts';

/**
 * What the windows of these devices are counted for. A device with an offer has its place in a row; a member of the
 * holdback has none, and is found by the assignment's own predicate: a million of them cost nothing until they speak.
 */
export async function findPlaces(
  tx: StoreTx,
  query: {
    readonly fleet: FleetId;
    readonly devices: readonly DeviceId[];
    readonly book: RolloutBook;
    readonly nowMs: number;
  },
): Promise<readonly OpenPlace[]> {
  const { fleet, devices, book, nowMs } = query;
  const exposed = await tx.offers.listPlaces(fleet, devices);
  const open = await tx.rollouts.list(
    fleet,
    { statuses: ['running', 'paused'] },
    { limit: limits.openRolloutsMax },
  );
  const compared = open.flatMap((row) => book.open(row) ?? []).filter(hasControl);
  if (compared.length === 0) return exposed;
  const held: OpenPlace[] = [];
  const places = new Set(exposed.map(({ device, rollout }) => `${device} ${rollout}`));
  for (const id of devices) {
    const isPlaced = compared.every(({ state }) => places.has(`${id} ${state.id}`));
    const device = isPlaced ? null : await tx.devices.get(fleet, id);
    if (device === null) continue;
    const loaded = await loadDesiredDevice(tx, device);
    for (const rollout of compared) {
      if (!places.has(`${id} ${rollout.state.id}`) && isHeldBack(loaded, rollout, nowMs)) {
        held.push(controlPlace(loaded, rollout));
      }
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

const controlPlace = ({ desired }: LoadedDevice, { state }: DesiredRollout): OpenPlace => ({
  device: desired.id,
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
