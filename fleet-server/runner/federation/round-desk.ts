import type { Explanation } from '../../../shared/contracts/explanation.ts';
import type { RoundRequest } from '../../../shared/contracts/federation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceAddress } from '../../../shared/contracts/topics.ts';
import { hexOf } from '../../../shared/core/bytes.ts';
import { Doorbell } from '../../../shared/core/doorbell.ts';
import type { DeviceId, FleetId, RoundId } from '../../../shared/core/ids.ts';
import { codeOf } from '../../../shared/core/operating-error.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { Log } from '../../../shared/ports/log.ts';
import type { Random } from '../../../shared/ports/random.ts';
import { explainRound } from '../../core/federation/explain-round.ts';
import {
  openPhases,
  type RoundEffect,
  type RoundEvent,
  type RoundState,
} from '../../core/federation/round-state.ts';
import { createRound, effectsOf } from '../../core/federation/step-round.ts';
import type { Store } from '../../ports/store.ts';
import type { CandidateShop } from './candidate-shop.ts';
import { eligibleDevices } from './eligible-devices.ts';
import { applyToRound, insertRound, newestRounds, openRounds, readRound } from './round-book.ts';
import type { RoundOrders } from './round-orders.ts';
import type { UpdateIntake } from './update-intake.ts';

export interface RoundDeskOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly orders: RoundOrders;
  readonly updates: UpdateIntake;
  readonly shop: CandidateShop;
}

interface DeskFailure {
  readonly code: string;
  readonly message: string;
}

/**
 * Federated rounds as a level-triggered loop: each look steps a round by the clock and performs
 * what its phase asks for.
 * Every effect is derived from the stored state, so a crash between state and effect repeats the effect.
 */
export class RoundDesk {
  readonly #options: RoundDeskOptions;
  readonly #bell = new Doorbell();
  /** Ended rounds of which nothing is owed any more, as far as this process knows. */
  readonly #settled = new Set<RoundId>();
  /** Fleets whose last look found no open round: a device that comes there costs no query. */
  readonly #quiet = new Set<FleetId>();

  constructor(options: RoundDeskOptions) {
    this.#options = options;
  }

  wake(): void {
    this.#bell.ring();
  }

  /** Checks the request against the signed bundle, and draws the secret that orders the cohort. */
  async create(
    fleet: FleetId,
    order: { readonly request: RoundRequest; readonly author: string },
  ): Promise<Result<RoundState, DeskFailure>> {
    const { store, clock, random, shop } = this.#options;
    const { request, author } = order;
    const base = await shop.readBase(fleet, request);
    if (!base.ok) return base;
    const { floors } = base.value.training;
    const { goalDevices, epochs } = request.training;
    if (goalDevices < floors.devices || epochs > floors.epochsMax) {
      const floor = `at least ${floors.devices} devices and at most ${floors.epochsMax} epochs`;
      return fail('below-round-floor', `the bundle is signed for ${floor}`);
    }
    if ((await openRounds(store, fleet)).length >= limits.openRoundsMax) {
      return fail('rounds-exhausted', `${limits.openRoundsMax} rounds are open`);
    }
    const nowMs = clock.nowMs();
    const round = `rnd-${hexOf(random.bytes(8))}` as RoundId;
    const secret = hexOf(random.bytes(32));
    const state = createRound({
      ...{ round, fleet, request, author, secret, createdAtMs: nowMs },
      ...base.value,
    });
    await store.transaction((tx) => insertRound(tx, state, nowMs));
    this.#quiet.delete(fleet);
    this.#bell.ring();
    return ok(state);
  }

  /** A person gives a round up; `version` is the one that person saw. */
  async abandon(
    fleet: FleetId,
    order: { readonly round: RoundId; readonly actor: string; readonly version?: number },
  ): Promise<Result<RoundState, DeskFailure>> {
    const { round, actor, version } = order;
    const { store, clock } = this.#options;
    const event = { type: 'person-abandoned' } as const;
    const moved = await store.transaction(async (tx) => {
      const row = await tx.rounds.get(fleet, round);
      const isSeen = version === undefined || row === null || row.version === version;
      const happened = { event, actor, nowMs: clock.nowMs() };
      return isSeen ? applyToRound(tx, { fleet, round }, happened) : 'precondition-failed';
    });
    if (moved === undefined) return fail('round-unknown', round);
    if (moved === 'precondition-failed') return fail(moved, `${round} has moved since`);
    this.#bell.ring();
    return moved.before === moved.after
      ? fail('round-closed', `${round} is ${moved.after.phase}`)
      : ok(moved.after);
  }

  async explain(fleet: FleetId, round: RoundId): Promise<Explanation | undefined> {
    const { store, clock } = this.#options;
    const state = await store.read((view) => readRound(view, fleet, round));
    if (state === undefined) return undefined;
    const context = { nowMs: clock.nowMs() };
    return explainRound(state, await this.#eligible(state), context);
  }

  /** A device came: it may not have heard the order. */
  async serve({ fleet, device }: DeviceAddress): Promise<void> {
    if (this.#quiet.has(fleet)) return;
    for (const state of await openRounds(this.#options.store, fleet)) {
      if (state.phase === 'reporting' && state.invited.includes(device)) {
        await this.#options.orders.send(state, [device]);
      }
    }
  }

  /** Looks at each round that is open or just ended. True when something moved. */
  async turn(fleet: FleetId): Promise<boolean> {
    const { store, log } = this.#options;
    let moved = false;
    this.#quiet.delete(fleet);
    const newest = await newestRounds(store, fleet);
    if (!newest.some(({ phase }) => openPhases.has(phase))) this.#quiet.add(fleet);
    for (const state of newest) {
      const { plan } = state;
      try {
        if (openPhases.has(state.phase)) moved = (await this.#look(fleet, plan.round)) || moved;
        else await this.#settle(state);
      } catch (error) {
        const fields = {
          event: 'round-turn-failed',
          fleet,
          round: plan.round,
          code: codeOf(error),
        };
        log.error({ ...fields, error }, 'a round could not go on; the next look tries again');
      }
    }
    return moved;
  }

  /** Beside the rollouts' loop, because building a candidate takes its time. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#options;
    const stop = (): void => this.#bell.ring();
    signal.addEventListener('abort', stop, { once: true });
    while (!signal.aborted) {
      let moved = false;
      const fleets = await store.read((view) => view.fleets.list());
      for (const { fleet } of fleets) moved = (await this.turn(fleet)) || moved;
      const isQuiet = fleets.every(({ fleet }) => this.#quiet.has(fleet));
      const restMs = isQuiet ? limits.idleLookMs : limits.rolloutTurnMs;
      const pauseMs = moved ? limits.rolloutTurnMsMin : restMs;
      const woken = new AbortController();
      const alarm = clock.sleepUntil(clock.monotonicMs() + pauseMs, woken.signal);
      await (moved ? alarm : Promise.race([alarm, this.#bell.wait()]));
      woken.abort();
    }
  }

  async #look(fleet: FleetId, round: RoundId): Promise<boolean> {
    const { store } = this.#options;
    const now = await store.read((view) => readRound(view, fleet, round));
    if (now === undefined || !openPhases.has(now.phase)) return false;
    const looked = { type: 'looked', eligible: await this.#eligible(now) } as const;
    const first = await this.#apply({ fleet, round }, looked);
    if (first === undefined) return false;
    let moved = first.before !== first.after;
    for (const effect of effectsOf(first.after)) {
      const event = await this.#perform(first.after, effect);
      if (event === undefined) continue;
      const next = await this.#apply({ fleet, round }, event);
      moved ||= next?.before !== next?.after;
      if (next !== undefined && !openPhases.has(next.after.phase)) await this.#settle(next.after);
    }
    const ended = await this.#rolloutEnd(first.after);
    if (ended === undefined) return moved;
    const last = await this.#apply({ fleet, round }, ended);
    if (last !== undefined && !openPhases.has(last.after.phase)) await this.#settle(last.after);
    return true;
  }

  /** The event that follows from an effect, or none yet. */
  async #perform(state: RoundState, effect: RoundEffect): Promise<RoundEvent | undefined> {
    const { orders, updates, shop } = this.#options;
    switch (effect.kind) {
      case 'sign-orders':
        await orders.send(state, effect.devices);
        return { type: 'orders-signed' };
      case 'build-candidate':
        return shop.build(state, await updates.mean(state));
      case 'start-rollout':
        return shop.startRollout(state, effect.candidate);
      case 'abort-rollout':
        await shop.abortRollout(state, effect.candidate);
        return undefined;
      case 'forget-updates':
        await updates.forget(state);
        return undefined;
    }
  }

  async #rolloutEnd(state: RoundState): Promise<RoundEvent | undefined> {
    if (state.phase !== 'aggregated') return undefined;
    const rollout = state.candidate?.rollout ?? null;
    return rollout === null ? undefined : this.#options.shop.lookAtRollout(state, rollout);
  }

  /**
   * What an ended round still owes: its updates are forgotten, and a candidate that was given up is taken back. Here
   * and not where the round was ended, because a person may end it while this loop starts the candidate's rollout.
   */
  async #settle(state: RoundState): Promise<void> {
    const { round } = state.plan;
    if (this.#settled.has(round)) return;
    for (const effect of effectsOf(state)) await this.#perform(state, effect);
    this.#settled.add(round);
  }

  async #eligible(state: RoundState): Promise<readonly DeviceId[]> {
    if (state.phase !== 'selecting') return [];
    const { store, clock } = this.#options;
    return store.read((view) => eligibleDevices(view, state.plan, clock.nowMs()));
  }

  #apply(address: { readonly fleet: FleetId; readonly round: RoundId }, event: RoundEvent) {
    const { store, clock } = this.#options;
    const nowMs = clock.nowMs();
    return store.transaction((tx) => applyToRound(tx, address, { event, nowMs }));
  }
}

const fail = (code: string, message: string): Result<never, DeskFailure> => err({ code, message });
