import { describe, expect, it } from 'vitest';
import { emptyArm, noUpdates, type UpdateCounts } from '../../../shared/contracts/cohort-totals.ts';
import type { RolloutRequest } from '../../../shared/contracts/rollout.ts';
import { bytesOfHex, utf8 } from '../../../shared/core/bytes.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import {
  deviceId,
  filetype,
  fleet,
  rolloutId,
  specOf,
  startMs,
  targetableOf,
  utcOnly,
} from '../../../test/support/rollout-samples.ts';
import { parseFilter } from '../targeting/parse-filter.ts';
import {
  type AssignmentIndex,
  armOf,
  cellsOfWave,
  cutAssignment,
  indexAssignment,
} from './assignment.ts';
import { cellOf } from './cells.ts';
import { decideDesired } from './decide-desired.ts';
import type { DesiredDevice, DesiredRollout, StartedState } from './offer-facts.ts';
import { planAssignment } from './plan-assignment.ts';
import type { RolloutContext, RolloutEvent, RolloutState } from './rollout-state.ts';
import { countTransition, type Exposure, openExposure, stepExposure } from './step-exposure.ts';
import { createRollout, stepRollout } from './step-rollout.ts';
import { extendWave, membersAfter } from './wave-extension.ts';

/**
 * The smallest runner there can be over these decisions: maps for tables, devices that answer at once. It shows that
 * the effects suffice, and that running them again changes nothing.
 */
class SmallFleet {
  nowMs = startMs;
  readonly devices = new Map<DeviceId, DesiredDevice>();
  readonly rollouts = new Map<string, { state: RolloutState; counts: UpdateCounts }>();
  readonly history: string[] = [];
  readonly #indexes = new Map<string, AssignmentIndex>();
  /** Digests that fail their self-test, and devices that are away. */
  readonly badDigests = new Set<string>();
  readonly away = new Set<DeviceId>();

  constructor(size: number) {
    for (let n = 0; n < size; n += 1) {
      const id = deviceId(n);
      this.devices.set(id, {
        id,
        cell: cellOf(utf8('key'), id),
        targetable: targetableOf(id),
        generation: 0,
        desired: new Map(),
        firstCommittedAtMs: new Map(),
        refused: [],
        exposures: [],
        protocol: null,
        agentVersion: null,
      });
    }
  }

  start(version: number, change: Partial<RolloutRequest> = {}): string {
    const spec = specOf(version, {
      gates: { accuracy: null, latencyP95: null, classShift: null },
      ...change,
    });
    const id = rolloutId(version);
    const state = createRollout({ id, fleet, spec, author: 'ann', nowMs: this.nowMs });
    this.rollouts.set(id, { state, counts: noUpdates });
    this.send(id, { type: 'submitted', by: { kind: 'person', name: 'ann' }, order: version });
    return id;
  }

  /** Looks, second by second, until nothing changes any more or the time is up. */
  run(id: string, seconds: number): RolloutState {
    for (let i = 0; i < seconds; i += 1) {
      this.send(id, { type: 'looked' });
      this.answerAll(id);
      this.nowMs += 1000;
    }
    return this.of(id).state;
  }

  of(id: string): { state: RolloutState; counts: UpdateCounts } {
    const entry = this.rollouts.get(id);
    if (entry === undefined) throw new Error(id);
    return entry;
  }

  send(id: string, event: RolloutEvent): void {
    const result = stepRollout(this.of(id).state, event, this.contextOf(id));
    if (!result.ok) throw new Error(result.error.code);
    this.of(id).state = result.value.state;
    for (const effect of result.value.effects) {
      if (effect.type === 'record-transition') this.history.push(effect.transition.to);
      else if (effect.type === 'freeze-membership') this.freeze(id);
      else if (effect.type === 'extend-wave') this.extend(id, effect.wave, effect.by);
      else if (effect.type === 'offer-wave' || effect.type === 'restore-devices') this.decideAll();
    }
  }

  contextOf(id: string): RolloutContext {
    const { state, counts } = this.of(id);
    const wave = state.kind === 'running' ? state.wave : 0;
    let waveUpdates = noUpdates;
    for (const exposure of this.exposuresOf(id)) {
      if (exposure.wave === wave) waveUpdates = countTransition(waveUpdates, null, exposure.phase);
    }
    const failures = [{ code: 'self-test-failed', count: counts.failed }];
    const arm = { ...emptyArm, devices: counts.committed, inferences: counts.committed * 500 };
    const control = { ...emptyArm, devices: 50, inferences: 10_000 };
    return {
      nowMs: this.nowMs,
      totals: {
        updates: counts,
        failures,
        wave: arm,
        control,
      },
      waveUpdates,
      offerable: this.members(id, wave).length,
      blocked: 0,
      digest: 'clear',
    };
  }

  /** Members of the open wave without an exposure. */
  members(id: string, wave: number): DesiredDevice[] {
    const { state } = this.of(id);
    const index = this.indexOf(state);
    if (index === null || state.kind !== 'running') return [];
    const cells = new Set(cellsOfWave(index, wave >= state.spec.waves.length ? 'follow' : wave));
    return [...this.devices.values()].filter((device) => {
      if (!cells.has(device.cell) || device.exposures.some((e) => e.rollout === id)) return false;
      const arm = armOf(index, assignable(device));
      return arm.arm === 'wave' ? arm.wave <= wave : wave >= state.spec.waves.length;
    });
  }

  exposuresOf(id: string): Exposure[] {
    return [...this.devices.values()].flatMap((d) => d.exposures.filter((e) => e.rollout === id));
  }

  indexOf(state: RolloutState): AssignmentIndex | null {
    const assignment =
      state.kind === 'paused'
        ? state.running.assignment
        : 'assignment' in state
          ? state.assignment
          : null;
    if (assignment === null) return null;
    const key = JSON.stringify(assignment);
    const index = this.#indexes.get(key) ?? indexAssignment(assignment);
    this.#indexes.set(key, index);
    return index;
  }

  freeze(id: string): void {
    const { state } = this.of(id);
    const secret = state.id.slice(4).repeat(4);
    const all = [...this.devices.values()].map((device) => ({
      device: device.id,
      cell: device.cell,
      stratum: '[]',
      isVeteran: device.firstCommittedAtMs.has(filetype),
      devices: 1,
    }));
    const plan = planAssignment(state.spec, bytesOfHex(secret)!, all);
    if (!plan.ok) throw new Error(plan.error.code);
    const drawn = { secret, frozenAtMs: this.nowMs, stratifyBy: [] };
    this.send(id, { type: 'membership-frozen', assignment: cutAssignment(plan.value, drawn, all) });
  }

  extend(id: string, wave: number, by: number): void {
    const index = this.indexOf(this.of(id).state)!;
    const next = membersAfter(index, wave, [...this.devices.values()].map(assignable), by);
    const assignment = extendWave(index, wave, next);
    this.send(id, { type: 'wave-extended', wave, assignment, added: next.length, asked: by });
  }

  decideAll(): void {
    const rollouts = [...this.rollouts.values()].flatMap(({ state }): DesiredRollout[] => {
      const target = parseFilter(state.spec.target);
      if (state.kind === 'draft' || state.kind === 'awaiting-approval' || !target.ok) return [];
      return [{ state: state as StartedState, target: target.value, index: this.indexOf(state) }];
    });
    const context = {
      nowMs: this.nowMs,
      zones: utcOnly,
      revoked: new Set<never>(),
      stopped: new Set<never>(),
      regressions: [],
      minAgents: new Map(),
    };
    for (const device of this.devices.values()) {
      const decision = decideDesired(device, rollouts, context);
      if (!decision.changed) continue;
      const { desired, generation } = decision;
      const app = decision.because[0]!;
      this.devices.set(device.id, { ...device, desired, generation });
      if (app.decision === 'offer') {
        const state = this.of(app.rollout!).state;
        const { entry, previous } = app;
        const wave = state.kind === 'running' ? state.wave : state.spec.waves.length;
        const offer = {
          device: device.id,
          wave,
          generation,
          previous,
          entry: { ...entry!, rollout: app.rollout! },
        };
        this.store(
          device.id,
          null,
          openExposure(offer, { nowMs: this.nowMs, reachMs: state.spec.reachMs }),
        );
      } else if (app.rollout !== null) {
        const exposure = device.exposures.find((e) => e.rollout === app.rollout)!;
        this.store(device.id, exposure, this.stepped(exposure, { type: 'restore', generation }));
      }
    }
  }

  answerAll(id: string): void {
    for (const exposure of this.exposuresOf(id)) {
      const device = this.devices.get(exposure.device)!;
      const entry = device.desired.get(filetype);
      const path = entry?.path ?? specOf(1).path;
      const isBad = this.badDigests.has(exposure.digest) && entry?.digest === exposure.digest;
      const target = { path, digest: entry?.digest ?? exposure.digest, generation: 0, retry: 0 };
      const phase = isBad ? ('reverted' as const) : ('committed' as const);
      const active = isBad ? exposure.previous?.digest : entry?.digest;
      const reason = isBad ? { reason: 'self-test-failed' } : {};
      const app = { app: filetype, phase, target, ...(active ? { active } : {}), ...reason };
      const event = this.away.has(device.id)
        ? ({ type: 'due' } as const)
        : ({ type: 'reported', generation: device.generation, app } as const);
      const next = this.stepped(exposure, event);
      if (next === exposure) continue;
      this.store(device.id, exposure, next);
      if (next.phase === 'committed' && !device.firstCommittedAtMs.has(filetype)) {
        const firstCommittedAtMs = new Map([[filetype, this.nowMs]]);
        this.devices.set(device.id, { ...this.devices.get(device.id)!, firstCommittedAtMs });
      }
    }
  }

  stepped(exposure: Exposure, event: Parameters<typeof stepExposure>[1]): Exposure {
    const { deadlineMs, reachMs, window } = this.of(exposure.rollout).state.spec;
    const { nowMs } = this;
    return stepExposure(exposure, event, {
      nowMs,
      zone: 'UTC',
      zones: utcOnly,
      window,
      deadlineMs,
      reachMs,
    });
  }

  store(id: DeviceId, before: Exposure | null, after: Exposure): void {
    const device = this.devices.get(id)!;
    const others = device.exposures.filter((e) => e.rollout !== after.rollout);
    this.devices.set(id, { ...device, exposures: [...others, after] });
    const entry = this.of(after.rollout);
    entry.counts = countTransition(entry.counts, before?.phase ?? null, after.phase);
  }

  running(): Record<string, number> {
    const digests: Record<string, number> = {};
    for (const { desired } of this.devices.values()) {
      const path = desired.get(filetype)?.path ?? 'nothing';
      digests[path] = (digests[path] ?? 0) + 1;
    }
    return digests;
  }
}

const assignable = (device: DesiredDevice) => ({
  id: device.id,
  cell: device.cell,
  stratum: '[]',
  firstCommittedAtMs: device.firstCommittedAtMs.get(filetype) ?? null,
});

describe('a rollout from start to end', () => {
  it('takes v1 to everyone, v2 by waves, and takes a bad v3 back from the two devices it met', () => {
    const small = new SmallFleet(200);
    const v1 = small.start(1, { waves: [{ percent: 100 }], soakMs: 1000 });
    expect(small.run(v1, 8).kind).toBe('completed');
    expect(small.running()).toEqual({ 'bundles/filetype@1.0.0': 200 });

    small.history.length = 0;
    const v2 = small.start(2);
    expect(small.run(v2, 40).kind).toBe('completed');
    expect(small.running()).toEqual({ 'bundles/filetype@2.0.0': 200 });
    expect(small.history.filter((place) => place.endsWith('offering'))).toEqual([
      'running wave 1 offering',
      'running wave 2 offering',
      'running wave 3 offering',
      'running wave 4 offering',
      'running follow offering',
    ]);

    small.badDigests.add(specOf(3).digest);
    const v3 = small.start(3);
    expect(small.run(v3, 10)).toMatchObject({ kind: 'aborted', code: 'self-test-failed' });
    expect(small.of(v3).counts).toEqual({ ...noUpdates, restored: 2 });
    expect(small.running()).toEqual({ 'bundles/filetype@2.0.0': 200 });
  });

  it('replaces devices that are away, goes on without them, and serves them when they appear', () => {
    const small = new SmallFleet(60);
    const v1 = small.start(1, { waves: [{ percent: 100 }], soakMs: 0 });
    small.run(v1, 6);
    for (let n = 0; n < 20; n += 1) small.away.add(deviceId(n));
    const v2 = small.start(2, {
      waves: [{ percent: 20 }, { percent: 100 }],
      soakMs: 0,
      reachMs: 2000,
    });
    expect(small.run(v2, 40).kind).toBe('completed');
    expect(small.of(v2).counts).toEqual({ ...noUpdates, committed: 40, unreached: 20 });
    const inWave1 = small.exposuresOf(v2).filter((e) => e.wave === 0 && e.phase === 'committed');
    // 20 % of the 57 outside the holdback: as many as planned were reached.
    expect(inWave1.length).toBe(12);
    small.away.clear();
    small.run(v2, 1);
    expect(small.of(v2).counts.committed).toBe(60);
  });

  it('decides the same again after a restart: no effect run twice changes anything', () => {
    const small = new SmallFleet(50);
    const v1 = small.start(1, { waves: [{ count: 10 }, { percent: 100 }] });
    small.run(v1, 2);
    const before = JSON.stringify(
      [...small.devices.values()].map((d) => [d.generation, [...d.desired]]),
    );
    small.decideAll();
    small.decideAll();
    expect(
      JSON.stringify([...small.devices.values()].map((d) => [d.generation, [...d.desired]])),
    ).toBe(before);
  });
});
