import { limits } from '../../../shared/contracts/limits.ts';
import { bytesOfHex, hexOf } from '../../../shared/core/bytes.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import type { Random } from '../../../shared/ports/random.ts';
import { type CellMember, cutAssignment, stratumOf } from '../../core/rollout/assignment.ts';
import { type CellCount, planAssignment } from '../../core/rollout/plan-assignment.ts';
import type { RolloutEvent, RunningState } from '../../core/rollout/rollout-state.ts';
import type { StoreTx } from '../../ports/store.ts';
import { loadDesiredDevice } from './desired-device.ts';
import { targetOf } from './rollout-book.ts';

/**
 * Counts the members, draws the secret and cuts the waves. The secret is drawn here and not before, so nobody who knows
 * the fleet could have known who would be first.
 */
export async function freezeMembership(
  tx: StoreTx,
  state: RunningState,
  now: { readonly nowMs: number; readonly random: Random },
): Promise<RolloutEvent> {
  const members = await readMembers(tx, state, now.nowMs);
  const secret = hexOf(now.random.bytes(32));
  const plan = planAssignment(
    state.spec,
    bytesOfHex(secret) ?? new Uint8Array(),
    countsOf(members),
  );
  if (!plan.ok) return { type: 'freeze-failed', code: plan.error.code };
  const cut = new Set(plan.value.cellsToCut);
  const inCutCells = members.filter((member) => cut.has(member.cell));
  const drawn = { secret, frozenAtMs: now.nowMs, stratifyBy: state.spec.stratifyBy };
  return { type: 'membership-frozen', assignment: cutAssignment(plan.value, drawn, inCutCells) };
}

async function readMembers(
  tx: StoreTx,
  state: RunningState,
  nowMs: number,
): Promise<readonly CellMember[]> {
  const query = { where: targetOf(state), nowMs };
  const members: CellMember[] = [];
  let after: DeviceId | undefined;
  for (;;) {
    const page = await tx.devices.list(state.fleet, query, {
      limit: limits.storePageMax,
      ...(after === undefined ? {} : { after }),
    });
    for (const device of page) {
      if (device.state !== 'accepted') continue;
      const { desired } = await loadDesiredDevice(tx, device);
      const firstMs = desired.firstCommittedAtMs.get(state.spec.app);
      members.push({
        device: device.device,
        cell: device.cell,
        stratum: stratumOf(state.spec.stratifyBy, desired.targetable),
        isVeteran: firstMs !== undefined && firstMs < nowMs,
      });
    }
    after = page.at(-1)?.device;
    if (page.length < limits.storePageMax || after === undefined) return members;
  }
}

function countsOf(members: readonly CellMember[]): readonly CellCount[] {
  const counts = new Map<string, CellCount>();
  for (const { stratum, isVeteran, cell } of members) {
    const key = `${cell} ${String(isVeteran)} ${stratum}`;
    const devices = (counts.get(key)?.devices ?? 0) + 1;
    counts.set(key, { stratum, isVeteran, cell, devices });
  }
  return [...counts.keys()].sort().flatMap((key) => counts.get(key) ?? []);
}
