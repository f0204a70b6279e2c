import { limits } from '../../../shared/contracts/limits.ts';
import { bytesOfHex, hexOf } from '../../../shared/core/bytes.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import type { Random } from '../../../shared/ports/random.ts';
import type { Device } from '../../core/model/device.ts';
import { type CellMember, cutAssignment, stratumOf } from '../../core/rollout/assignment.ts';
import { targetableOf } from '../../core/rollout/loaded-device.ts';
import { type CellCount, planAssignment } from '../../core/rollout/plan-assignment.ts';
import type { RolloutEvent, RunningState } from '../../core/rollout/rollout-state.ts';
import type { MemberQuery } from '../../ports/repositories/device-repository.ts';
import type { StoreTx } from '../../ports/store.ts';
import { targetOf } from './rollout-book.ts';

/**
 * Counts the members, draws the secret and cuts the waves. The secret is drawn here and not before, so nobody who knows
 * the fleet could have known who would be first. Costs one grouped query and the devices of the few cells that a
 * boundary cuts.
 */
export async function freezeMembership(
  tx: StoreTx,
  state: RunningState,
  now: { readonly nowMs: number; readonly random: Random },
): Promise<RolloutEvent> {
  const { nowMs } = now;
  const { app, stratifyBy } = state.spec;
  const query = { where: targetOf(state), nowMs, app, stratifyBy };
  const counts = await tx.devices.countMembers(state.fleet, query);
  if (counts.length >= limits.memberGroupsMax) {
    return { type: 'freeze-failed', code: 'too-many-strata' };
  }
  const secret = hexOf(now.random.bytes(32));
  const plan = planAssignment(state.spec, bytesOfHex(secret) ?? new Uint8Array(), ordered(counts));
  if (!plan.ok) return { type: 'freeze-failed', code: plan.error.code };
  const inCutCells: CellMember[] = [];
  if (plan.value.cellsToCut.length > 0) {
    inCutCells.push(...(await readCells(tx, state, { cells: plan.value.cellsToCut, query })));
  }
  const drawn = { secret, frozenAtMs: nowMs, stratifyBy };
  return { type: 'membership-frozen', assignment: cutAssignment(plan.value, drawn, inCutCells) };
}

async function readCells(
  tx: StoreTx,
  { fleet }: RunningState,
  { cells, query }: { readonly cells: readonly number[]; readonly query: MemberQuery },
): Promise<readonly CellMember[]> {
  const { app, stratifyBy, ...meant } = query;
  const members: CellMember[] = [];
  let after: DeviceId | undefined;
  for (;;) {
    const page = { limit: limits.storePageMax, ...(after === undefined ? {} : { after }) };
    const devices = await tx.devices.listCells(fleet, cells, { ...meant, page });
    const ids = devices.map(({ device }) => device);
    const apps = await tx.deviceApps.listFor(fleet, app, ids);
    const veterans = new Set(
      apps
        .filter(({ firstCommittedAtMs: ms }) => ms !== null && ms < query.nowMs)
        .map(({ device }) => device),
    );
    for (const device of devices.filter(isAccepted)) {
      const stratum = stratumOf(stratifyBy, targetableOf(device));
      members.push({
        ...{ device: device.device, cell: device.cell, stratum },
        isVeteran: veterans.has(device.device),
      });
    }
    after = ids.at(-1);
    if (devices.length < limits.storePageMax || after === undefined) return members;
  }
}

const isAccepted = ({ state }: Device): boolean => state === 'accepted';

/** The database's order is its own; strata are written as `stratumOf` writes them. */
function ordered(counts: readonly CellCount[]): readonly CellCount[] {
  const keyed = counts.map((count) => {
    const stratum = JSON.stringify(JSON.parse(count.stratum));
    return { key: `${count.cell} ${String(count.isVeteran)} ${stratum}`, ...count, stratum };
  });
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return keyed.map(({ key: _key, ...count }) => count);
}
