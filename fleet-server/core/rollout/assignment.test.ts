import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../shared/core/bytes.ts';
import { deviceId, specOf, startMs, targetableOf } from '../../../test/support/rollout-samples.ts';
import { apportion } from './apportion.ts';
import {
  type AssignableDevice,
  type Assignment,
  armOf,
  cellsOfWave,
  cutAssignment,
  indexAssignment,
  stratumOf,
} from './assignment.ts';
import { cellOf, orderCells } from './cells.ts';
import { type CellCount, planAssignment } from './plan-assignment.ts';
import { cellsAfterWave, extendWave, membersAfter } from './wave-extension.ts';

const serverKey = utf8('server key of this test');
const secretOf = (n: number): string => n.toString(16).padStart(64, '0');

interface Crowd {
  readonly devices: readonly AssignableDevice[];
}

const crowdOf = (
  size: number,
  describeOne: (n: number) => { readonly stratum?: string; readonly isNew?: boolean } = () => ({}),
): Crowd => ({
  devices: Array.from({ length: size }, (_, n) => {
    const { stratum = '[]', isNew = false } = describeOne(n);
    const id = deviceId(n);
    const firstCommittedAtMs = isNew ? null : startMs - 1_000;
    return { id, cell: cellOf(serverKey, id), stratum, firstCommittedAtMs };
  }),
});

function countsOf(crowd: Crowd): CellCount[] {
  const counts = new Map<string, CellCount>();
  for (const { cell, stratum, firstCommittedAtMs } of crowd.devices) {
    const isVeteran = firstCommittedAtMs !== null;
    const key = `${cell} ${stratum} ${isVeteran}`;
    const devices = (counts.get(key)?.devices ?? 0) + 1;
    counts.set(key, { cell, stratum, isVeteran, devices });
  }
  return [...counts.values()];
}

function assign(crowd: Crowd, spec = specOf(2), secret = secretOf(7)): Assignment {
  const plan = planAssignment(spec, Buffer.from(secret, 'hex'), countsOf(crowd));
  if (!plan.ok) throw new Error(plan.error.code);
  const cells = new Set(plan.value.cellsToCut);
  const members = crowd.devices
    .filter((device) => cells.has(device.cell))
    .map(({ id, cell, stratum, firstCommittedAtMs }) => ({
      device: id,
      cell,
      stratum,
      isVeteran: firstCommittedAtMs !== null,
    }));
  return cutAssignment(plan.value, { secret, frozenAtMs: startMs, stratifyBy: [] }, members);
}

function armsOf(crowd: Crowd, assignment: Assignment): Map<string, AssignableDevice[]> {
  const index = indexAssignment(assignment);
  const arms = new Map<string, AssignableDevice[]>();
  for (const device of crowd.devices) {
    const arm = armOf(index, device);
    const name = arm.arm === 'wave' ? `wave ${arm.wave}` : arm.arm;
    arms.set(name, [...(arms.get(name) ?? []), device]);
  }
  return arms;
}
const sizesOf = (arms: Map<string, AssignableDevice[]>) =>
  Object.fromEntries([...arms].map(([name, list]) => [name, list.length]));

describe('planAssignment', () => {
  it('gives 200 devices waves of 1, 10, 50 and 100 % outside a holdback of 5 %', () => {
    const crowd = crowdOf(200);
    const assignment = assign(crowd);
    expect(assignment).toMatchObject({ members: 200, holdback: 10, waveSizes: [2, 19, 95, 190] });
    expect(sizesOf(armsOf(crowd, assignment))).toEqual({
      'wave 0': 2,
      'wave 1': 17,
      'wave 2': 76,
      'wave 3': 95,
      control: 10,
    });
  });

  it('holds 2 of 10 back by the minimum sample, and never more than half', () => {
    expect(assign(crowdOf(10)).holdback).toBe(2);
    expect(assign(crowdOf(3)).holdback).toBe(1);
    expect(assign(crowdOf(10), specOf(2, { holdback: { count: 9 } })).holdback).toBe(5);
    expect(assign(crowdOf(10), specOf(2, { holdback: { count: 0 } })).holdback).toBe(0);
    expect(assign(crowdOf(100), specOf(2, { holdback: { percent: 20 } })).holdback).toBe(20);
  });

  it('cuts a crowded cell to the exact number of devices', () => {
    const crowd: Crowd = { devices: crowdOf(500).devices.map((d) => ({ ...d, cell: 77 })) };
    const waves = [{ count: 3 }, { count: 50 }, { percent: 100 }];
    expect(sizesOf(armsOf(crowd, assign(crowd, specOf(2, { waves }))))).toEqual({
      'wave 0': 3,
      'wave 1': 47,
      'wave 2': 425,
      control: 25,
    });
  });

  it('keeps newcomers out of wave 1 and out of the control, and takes them in wave 2', () => {
    const crowd = crowdOf(400, (n) => ({ isNew: n % 4 !== 0 }));
    const arms = armsOf(
      crowd,
      assign(crowd, specOf(2, { waves: [{ percent: 20 }, { percent: 100 }] })),
    );
    const isNew = (device: AssignableDevice) => device.firstCommittedAtMs === null;
    expect(arms.get('wave 0')!.filter(isNew)).toEqual([]);
    expect(arms.get('wave 0')).toHaveLength(76);
    expect(arms.get('control')!.filter(isNew)).toEqual([]);
    expect(arms.get('wave 1')!.filter(isNew)).toHaveLength(300);
  });

  it('has neither holdback nor newcomer rule on the first release of an app', () => {
    const crowd = crowdOf(100, () => ({ isNew: true }));
    const assignment = assign(crowd);
    expect(assignment).toMatchObject({ isFirstRelease: true, holdback: 0 });
    expect(armsOf(crowd, assignment).get('wave 0')).toHaveLength(2);
    expect(armsOf(crowd, assignment).has('control')).toBe(false);
  });

  it('puts each stratum into each wave and the control in proportion', () => {
    const crowd = crowdOf(1000, (n) => ({ stratum: n % 10 === 0 ? '["gpu"]' : '["cpu"]' }));
    const arms = armsOf(
      crowd,
      assign(crowd, specOf(2, { waves: [{ percent: 10 }, { percent: 100 }] })),
    );
    const gpus = (name: string) => arms.get(name)!.filter((d) => d.stratum === '["gpu"]').length;
    expect([gpus('wave 0'), arms.get('wave 0')!.length]).toEqual([9, 95]);
    expect([gpus('control'), arms.get('control')!.length]).toEqual([5, 50]);
  });

  it('refuses a target without members, and strata without number', () => {
    const secret = Buffer.from(secretOf(1), 'hex');
    expect(planAssignment(specOf(2), secret, [])).toEqual({
      ok: false,
      error: { code: 'no-members' },
    });
    const strange = Array.from({ length: 600 }, (_, n) => ({
      stratum: `[${n}]`,
      isVeteran: true,
      cell: n,
      devices: 1,
    }));
    expect(planAssignment(specOf(2), secret, strange)).toEqual({
      ok: false,
      error: { code: 'too-many-strata' },
    });
  });

  it('draws other guinea pigs with another secret, and the same with the same counts in any order', () => {
    const crowd = crowdOf(300);
    const first = armsOf(crowd, assign(crowd))
      .get('wave 1')!
      .map((d) => d.id);
    const again = { devices: [...crowd.devices].reverse() };
    expect(
      armsOf(again, assign(again))
        .get('wave 1')!
        .map((d) => d.id)
        .sort(),
    ).toEqual([...first].sort());
    const other = armsOf(crowd, assign(crowd, specOf(2), secretOf(8)))
      .get('wave 1')!
      .map((d) => d.id);
    expect(other).not.toEqual(first);
  });

  it('makes waves of exactly the planned size for any crowd', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(1000),
        (size, strata, newEvery, seed) => {
          const crowd = crowdOf(size, (n) => ({
            stratum: `[${n % strata}]`,
            isNew: n % newEvery === 1,
          }));
          const assignment = assign(crowd, specOf(2), secretOf(seed));
          const arms = armsOf(crowd, assignment);
          let sum = 0;
          assignment.waveSizes.forEach((planned, k) => {
            sum += arms.get(`wave ${k}`)?.length ?? 0;
            expect(sum).toBe(planned);
          });
          expect(arms.get('control')?.length ?? 0).toBe(assignment.holdback);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('cellsOfWave', () => {
  it('covers every member of the wave with few cells', () => {
    const crowd = crowdOf(2000, (n) => ({ stratum: `[${n % 2}]` }));
    const index = indexAssignment(assign(crowd));
    for (const wave of [0, 1, 2, 3]) {
      const cells = new Set(cellsOfWave(index, wave));
      const members = crowd.devices.filter((device) => {
        const arm = armOf(index, device);
        return arm.arm === 'wave' && arm.wave === wave;
      });
      expect(members.every((device) => cells.has(device.cell))).toBe(true);
    }
    expect(cellsOfWave(index, 0).length).toBeLessThan(120);
    expect(cellsOfWave(index, 'follow')).toHaveLength(4096);
  });
});

describe('extendWave', () => {
  it('replaces unreached devices by the next in hash order and leaves control and order alone', () => {
    const crowd = crowdOf(400);
    const assignment = assign(crowd);
    const index = indexAssignment(assignment);
    const next = membersAfter(index, 0, crowd.devices, 3);
    const extended = extendWave(index, 0, next);
    const before = armsOf(crowd, assignment);
    const after = armsOf(crowd, extended);
    const added = after.get('wave 0')!.filter((device) => !before.get('wave 0')!.includes(device));
    expect(added.map((d) => d.id).sort()).toEqual(next.map((d) => d.id).sort());
    expect(next).toHaveLength(3);
    expect(after.get('control')).toEqual(before.get('control'));
    expect(after.get('wave 3')).toEqual(before.get('wave 3'));
  });

  it('stops at the control even when it is handed a device of the control', () => {
    const crowd = crowdOf(400);
    const assignment = assign(crowd);
    const held = armsOf(crowd, assignment).get('control')!;
    const after = armsOf(crowd, extendWave(indexAssignment(assignment), 0, held));
    expect(after.get('control')).toEqual(held);
  });

  it('takes nobody into wave 1 who never committed the app, but does into wave 2', () => {
    const crowd = crowdOf(400, (n) => ({ isNew: n % 2 === 1 }));
    const index = indexAssignment(assign(crowd));
    const isNew = (device: AssignableDevice) => device.firstCommittedAtMs === null;
    expect(membersAfter(index, 0, crowd.devices, 400).some(isNew)).toBe(false);
    expect(membersAfter(index, 1, crowd.devices, 400).some(isNew)).toBe(true);
  });

  it('takes nobody of a stratum that appeared after the freeze, whose boundaries it could not move', () => {
    const late = crowdOf(400, () => ({ stratum: '["late"]' }));
    const index = indexAssignment(assign(crowdOf(400)));
    expect(membersAfter(index, 0, late.devices, 9)).toEqual([]);
  });

  it('finds all replacements in the cells after the wave, in hash order', () => {
    const crowd = crowdOf(2000, (n) => ({ stratum: `[${n % 2}]` }));
    const index = indexAssignment(assign(crowd));
    const cells = cellsAfterWave(index, 1);
    const next = membersAfter(index, 1, crowd.devices, 2000);
    expect(next.length).toBeGreaterThan(1000);
    const places = next.map((device) => cells.indexOf(device.cell));
    expect(places.every((place) => place >= 0)).toBe(true);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
    expect(cellsAfterWave(index, 3)).not.toContain(undefined);
  });

  it('finds no replacement in the last wave', () => {
    const crowd = crowdOf(50);
    expect(membersAfter(indexAssignment(assign(crowd)), 3, crowd.devices, 5)).toEqual([]);
  });
});

describe('cells', () => {
  it('spread devices over all cells, and are ordered by a permutation', () => {
    const order = orderCells(utf8('secret'));
    expect(new Set(order.cells).size).toBe(4096);
    expect(order.ranks[order.cells[17]!]).toBe(17);
    const used = new Set(crowdOf(20_000).devices.map((device) => device.cell));
    // 4096 (1 - e^-4.88) = 4065 cells are expected to be used.
    expect(used.size).toBeGreaterThan(4000);
  });

  it('give a stratum that appeared after the freeze the shares of the whole', () => {
    const late = crowdOf(4000, () => ({ stratum: '["late"]' }));
    const index = indexAssignment(assign(crowdOf(1000)));
    const arms = late.devices.map((device) => armOf(index, device));
    const control = arms.filter((arm) => arm.arm === 'control').length / 4000;
    expect(control).toBeGreaterThan(0.03);
    expect(control).toBeLessThan(0.07);
  });
});

describe('apportion', () => {
  it('gives every seat away, in proportion, under the caps', () => {
    expect(apportion(10, [1, 1, 2], [10, 10, 10])).toEqual([3, 2, 5]);
    expect(apportion(10, [1, 0], [4, 10])).toEqual([4, 6]);
    expect(apportion(10, [1, 1], [2, 3])).toEqual([2, 3]);
    const lists = fc.array(fc.record({ weight: fc.nat(100), cap: fc.nat(50) }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.nat(300), lists, (total, list) => {
        const caps = list.map(({ cap }) => cap);
        const seats = apportion(
          total,
          list.map(({ weight }) => weight),
          caps,
        );
        const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
        expect(sum(seats)).toBe(Math.min(total, sum(caps)));
        seats.forEach((seat, i) => expect(seat).toBeLessThanOrEqual(caps[i]!));
      }),
    );
  });
});

describe('stratumOf', () => {
  it('tells text from numbers and absence', () => {
    const device = (facts: [string, string | number][]) =>
      stratumOf(['facts.ram', 'tags.site'], targetableOf(deviceId(1), { facts: new Map(facts) }));
    expect(device([['ram', 4]])).toBe('[4,null]');
    expect(device([['ram', '4']])).toBe('["4",null]');
  });
});
