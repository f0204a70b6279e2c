import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { stateOf } from '../../fleet-server/runner/rollout/rollout-book.ts';
import { verifyAudit } from '../../fleet-server/runner/verify-audit.ts';
import type { RolloutRequest } from '../../shared/contracts/rollout.ts';
import type { DeviceId, RolloutId } from '../../shared/core/ids.ts';
import { createPrng } from '../../shared/core/prng.ts';
import { drawFaultPlan, type FaultKind, type FaultPlan } from '../faults/fault-plan.ts';
import { FaultPlay, stepsOf } from '../faults/fault-play.ts';
import type { Observer, SeenDevice, SeenRollout, WorldLook } from '../invariants/observer.ts';
import { allObservers } from '../invariants/observers.ts';
import { perfectLink } from '../world/link-faults.ts';
import { soundClock } from '../world/sim-clock.ts';
import { smokeApp } from './smoke-bundles.ts';
import type { SmokeDevice } from './smoke-device.ts';
import { smokeFleet as fleet, SmokeFleet } from './smoke-fleet.ts';
import { startRollout } from './smoke-world.ts';
import { traceHashOf } from './trace-hash.ts';

export interface SwarmOptions {
  readonly seed: string;
  readonly devices: number;
  readonly hours: number;
}

export interface Violation {
  readonly invariant: string;
  readonly atMs: number;
  readonly message: string;
}

export interface SwarmResult {
  readonly seed: string;
  /** Hash over everything the server has written and every device keeps. */
  readonly traceHash: string;
  readonly devices: number;
  readonly simulatedHours: number;
  readonly faults: Readonly<Record<FaultKind, number>>;
  readonly rollouts: readonly { readonly bundle: string; readonly state: string }[];
  readonly violations: readonly Violation[];
  /** What still waits although everything was mended and the time for it is over. */
  readonly unfinished: readonly string[];
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** What users see of a device in the field: an input every few seconds, a window a minute. */
const rhythm = { inputGapMs: 5_000, windowMs: minuteMs } as const;
const plan: Partial<RolloutRequest> = {
  waves: [{ percent: 20 }, { percent: 50 }, { percent: 100 }],
  ...{ soakMs: 2 * minuteMs, deadlineMs: 20 * minuteMs, reachMs: 20 * minuteMs },
  gates: { minimumSample: { devices: 1, inferences: 20 } },
};
/** Time to end what is under way, once nothing goes wrong any more. */
const healingMs = 3 * hourMs;

/**
 * One seed: the real server and the real agents under faults that the seed draws, then without them. First nothing bad
 * may happen, then everything must end (safety, then liveness).
 */
export async function runSwarm(options: SwarmOptions): Promise<SwarmResult> {
  const swarm = new Swarm(options);
  return swarm.run();
}

class Swarm {
  readonly #options: SwarmOptions;
  readonly #world: SmokeFleet;
  readonly #plan: FaultPlan;
  readonly #play: FaultPlay;
  readonly #observers: readonly Observer[] = allObservers();
  readonly #violations = new Map<string, Violation>();
  readonly #rollouts: { readonly bundle: PackedBundle; readonly id: RolloutId }[] = [];

  constructor(options: SwarmOptions) {
    this.#options = options;
    const { seed, devices, hours } = options;
    const prng = createPrng(`swarm/${seed}`);
    const isSour = prng.fork('release').nextBelow(2) === 0;
    const world = new SmokeFleet(
      `swarm/${seed}`,
      [{ version: '1.0.0' }, { version: '2.0.0', ...(isSour ? { sourAfterRuns: 30 } : {}) }],
      { rhythm, jitterMs: prng.fork('jitter').nextBelow(30_000) },
    );
    this.#world = world;
    this.#plan = drawFaultPlan(prng.fork('faults'), { devices, untilMs: hours * hourMs });
    this.#play = new FaultPlay({
      devices: Array.from({ length: devices }, (_, at) => `edge-${at}` as DeviceId),
      broker: world.broker,
      get isOriginCut() {
        return world.isOriginCut;
      },
      set isOriginCut(isCut) {
        world.isOriginCut = isCut;
      },
      losePower: async (id, writesLater) => world.devices.get(id)?.losePowerInWrite(writesLater),
      boot: async (id) => world.devices.get(id)?.boot(),
    });
  }

  async run(): Promise<SwarmResult> {
    const { seed, devices, hours } = this.#options;
    const world = this.#world;
    await world.open(devices, (place) => this.#plan.clocks[place] ?? soundClock);
    for (const id of world.devices.keys()) world.broker.setFaults(this.#plan.link, id);
    const beganMs = world.time.nowMs;
    await this.#fail(beganMs, hours * hourMs);
    const unfinished = await this.#heal();
    await world.stop();
    await this.#look();
    const rollouts = await this.#readRollouts();
    const ids = this.#rollouts.map(({ id }) => id);
    const traceHash = await traceHashOf(world, ids);
    return {
      ...{ seed, devices, simulatedHours: hours, traceHash },
      faults: Object.fromEntries(this.#play.counts) as Record<FaultKind, number>,
      rollouts: rollouts.map(({ state }, at) => ({
        bundle: nameOf(this.#rollouts[at]?.bundle),
        state: state.kind === 'aborted' ? `aborted: ${state.code}` : state.kind,
      })),
      violations: [...this.#violations.values()],
      unfinished,
    };
  }

  /** The first release early, the second in the middle of everything. */
  async #fail(beganMs: number, lastsMs: number): Promise<void> {
    const [first, second] = this.#world.bundles;
    const starts = [
      { atMs: minuteMs, bundle: first },
      { atMs: Math.floor(lastsMs / 3), bundle: second },
    ].flatMap(({ atMs, bundle }) =>
      bundle === undefined ? [] : [{ atMs, run: () => this.#start(bundle) }],
    );
    const faults = stepsOf(this.#plan.faults).map((step) => ({
      atMs: step.atMs,
      run: () => this.#play.perform(step),
    }));
    const looks = Array.from({ length: Math.floor(lastsMs / minuteMs) }, (_, at) => ({
      atMs: (at + 1) * minuteMs,
      run: () => this.#look(),
    }));
    const all = [...starts, ...faults, ...looks].sort((a, b) => a.atMs - b.atMs);
    for (const { atMs, run } of all) {
      await this.#passUntil(beganMs + atMs);
      await run();
    }
    await this.#passUntil(beganMs + lastsMs);
  }

  /** Everything is mended; then all of it must come to its end. Answers what has not. */
  async #heal(): Promise<readonly string[]> {
    const world = this.#world;
    world.isOriginCut = false;
    for (const [id, device] of world.devices) {
      world.broker.setFaults(perfectLink, id);
      world.broker.heal(id);
      if (device.upSinceMs === null) await device.boot();
    }
    let waiting: readonly string[] = ['nothing was looked at'];
    for (let passedMs = 0; passedMs < healingMs && waiting.length > 0; passedMs += 5 * minuteMs) {
      await world.loop.runFor(5 * minuteMs);
      await this.#look();
      waiting = await this.#unfinished();
    }
    return waiting;
  }

  async #unfinished(): Promise<readonly string[]> {
    const waiting: string[] = [];
    for (const { state } of await this.#readRollouts()) {
      if (state.kind !== 'completed' && state.kind !== 'aborted') {
        waiting.push(`${state.id} is ${state.last.to}: ${state.last.code}`);
      }
    }
    return waiting;
  }

  async #start(bundle: PackedBundle): Promise<void> {
    const id = await this.#world.loop.runUntil(startRollout(this.#world, bundle, plan));
    this.#rollouts.push({ bundle, id });
  }

  async #passUntil(atMs: number): Promise<void> {
    const leftMs = atMs - this.#world.time.nowMs;
    if (leftMs > 0) await this.#world.loop.runFor(leftMs);
  }

  async #look(): Promise<void> {
    const look = await this.#see();
    for (const observer of this.#observers) {
      for (const message of observer.look(look)) {
        const { name: invariant } = observer;
        const key = `${invariant}: ${message}`;
        // Told once: a promise that stays broken is the same break.
        if (this.#violations.has(key)) continue;
        this.#violations.set(key, { invariant, atMs: look.nowMs, message });
      }
    }
  }

  async #see(): Promise<WorldLook> {
    const { loop, store, devices, bundles, time } = this.#world;
    const ids = [...devices.keys()];
    const [rows, rollouts, audit] = await loop.runUntil(
      Promise.all([
        store.read((view) => view.devices.listByIds(fleet, ids)),
        this.#countedRollouts(),
        verifyAudit(store, []),
      ]),
    );
    const rowOf = new Map(rows.map((row) => [row.device, row]));
    return {
      nowMs: time.nowMs,
      signed: new Set(bundles.map(({ digest }) => digest)),
      devices: [...devices].map(([id, device]) => {
        const { issuedGeneration = 0, seenGeneration = 0 } = rowOf.get(id) ?? {};
        return { ...seenDevice(id, device, time.nowMs), issuedGeneration, seenGeneration };
      }),
      rollouts,
      auditFault: audit.ok ? null : audit.error.code,
    };
  }

  #readRollouts(): Promise<readonly SeenRollout[]> {
    return this.#world.loop.runUntil(this.#countedRollouts());
  }

  async #countedRollouts(): Promise<readonly SeenRollout[]> {
    return this.#world.store.read(async (view) => {
      const seen: SeenRollout[] = [];
      for (const { id } of this.#rollouts) {
        const row = await view.rollouts.get(fleet, id);
        const counts = await view.offers.counts(fleet, id);
        const told = counts.filter(({ arm }) => arm === 'wave');
        const sum = (of: typeof told) => of.reduce((all, { count }) => all + count, 0);
        if (row === null) continue;
        seen.push({
          state: stateOf(row),
          offered: sum(told),
          unreached: sum(told.filter(({ phase }) => phase === 'unreached')),
        });
      }
      return seen;
    });
  }
}

type OwnFacts = Omit<SeenDevice, 'issuedGeneration' | 'seenGeneration'>;

function seenDevice(id: DeviceId, device: SmokeDevice, nowMs: number): OwnFacts {
  const { upSinceMs, agent } = device;
  const app = upSinceMs === null ? undefined : agent?.state.apps.get(smokeApp);
  const { attempt, outcome } = app ?? {};
  return {
    device: id,
    upForMs: upSinceMs === null ? null : nowMs - upSinceMs,
    running: app?.running?.slot.digest ?? null,
    held: app?.held.map(({ digest }) => digest) ?? [],
    committed: outcome?.kind === 'committed' ? outcome.target.digest : null,
    activations: attempt?.phase === 'probation' ? attempt.activations : 0,
  };
}

const nameOf = (bundle: PackedBundle | undefined): string =>
  bundle === undefined ? 'none' : `${bundle.config.name}@${bundle.config.version}`;
