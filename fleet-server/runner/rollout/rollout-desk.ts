import { limits } from '../../../shared/contracts/limits.ts';
import type { RolloutRequest, RolloutSpec } from '../../../shared/contracts/rollout.ts';
import { hexOf } from '../../../shared/core/bytes.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import type { DeviceId, Digest, FleetId, RolloutId } from '../../../shared/core/ids.ts';
import { invariant, unreachable } from '../../../shared/core/invariant.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { Random } from '../../../shared/ports/random.ts';
import type { Zones } from '../../../shared/ports/zones.ts';
import { openStatuses, type Rollout } from '../../core/model/rollout.ts';
import type { DesiredDecision } from '../../core/rollout/decide-desired.ts';
import { type OrderScope, orderOf } from '../../core/rollout/device-order.ts';
import type { LoadedDevice } from '../../core/rollout/loaded-device.ts';
import type { DesiredContext, DesiredRollout } from '../../core/rollout/offer-facts.ts';
import type { RolloutRefusal } from '../../core/rollout/rollout-move.ts';
import {
  placeOf,
  type RolloutEffect,
  type RolloutEvent,
  type RolloutState,
} from '../../core/rollout/rollout-state.ts';
import { resolveSpec, type SpecError } from '../../core/rollout/spec.ts';
import { createRollout, stepRollout } from '../../core/rollout/step-rollout.ts';
import type { Store, StoreTx } from '../../ports/store.ts';
import type { Director } from '../director.ts';
import { findReplacements } from './find-replacements.ts';
import { freezeMembership } from './freeze-membership.ts';
import { readEvidence } from './read-evidence.ts';
import { restoreDevices } from './restore-devices.ts';
import { type RolloutBook, type Standing, sortedIds, standingOf, stateOf } from './rollout-book.ts';
import { settleOverdue } from './settle-overdue.ts';
import type { WaveCount } from './wave-walk.ts';
import { WaveWalks } from './wave-walks.ts';
import { writeOrders } from './write-orders.ts';
import { writeNewRollout, writeStep } from './write-rollout.ts';

export interface RolloutDeskOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly zones: Zones;
  readonly director: Director;
  readonly book: RolloutBook;
  readonly revoked: () => ReadonlySet<Digest>;
  /** Over which devices spread what they all begin at once. */
  readonly jitterMs: number;
}

export type OrderFailure =
  | RolloutRefusal
  | { readonly code: 'not-found' | 'precondition-failed'; readonly place: string };

type Unplaced<E> = E extends unknown ? Omit<E, 'order'> : never;
/** An order as a person gives it; its place among the claims is added in the transaction that starts it. */
export type PersonOrder = Unplaced<
  Extract<
    RolloutEvent,
    {
      readonly type:
        | 'submitted'
        | 'approved'
        | 'denied'
        | 'paused'
        | 'resumed'
        | 'promoted'
        | 'aborted'
        | 'retried'
        | 'edited';
    }
  >
>;

interface Turn {
  readonly state: RolloutState;
  /** Devices whose desired state changed. */
  readonly ordered: readonly DeviceId[];
  readonly moved: boolean;
  /** What the state asks for now. */
  readonly effects: readonly RolloutEffect[];
}

interface Decided {
  readonly state: RolloutState;
  readonly effects: readonly RolloutEffect[];
  readonly row: Rollout;
  readonly moved: boolean;
}

interface Performed {
  /** Devices whose desired state changed. */
  readonly ordered: readonly DeviceId[];
  /** What the effect has found out. */
  readonly answer?: RolloutEvent;
}

const nothingStopped: Standing = { stopped: new Set(), regressions: [], minAgents: new Map() };

/** One member stands for all that may still have to be told. */
const nobodyTold = { offerable: 1, blocked: 0 };

/**
 * Rollouts as a level-triggered loop: each turn compares one rollout with its evidence, takes at most one step and
 * one batch of what the state asks for, in one transaction; signing and publishing follow. A crash between loses a
 * message, never a step.
 */
export class RolloutDesk {
  readonly #options: RolloutDeskOptions;
  readonly #walks = new WaveWalks();
  /** When the clock alone may change something in a fleet, by its last turn. */
  readonly #dueMs = new Map<FleetId, number>();

  constructor(options: RolloutDeskOptions) {
    this.#options = options;
  }

  /** The whole plan that a request means. */
  plan(request: RolloutRequest): Result<RolloutSpec, SpecError> {
    return resolveSpec(request, this.#options);
  }

  /** A draft; `submitted` starts it, or sends it to an approver. */
  async create(
    fleet: FleetId,
    draft: { readonly request: RolloutRequest; readonly author: string },
  ): Promise<Result<Rollout, SpecError>> {
    const spec = this.plan(draft.request);
    if (!spec.ok) return spec;
    const { store, clock, random } = this.#options;
    const nowMs = clock.nowMs();
    const id = `rol-${hexOf(random.bytes(8))}` as RolloutId;
    const state = createRollout({ id, fleet, spec: spec.value, author: draft.author, nowMs });
    const row: Rollout = {
      fleet,
      rollout: id,
      app: spec.value.app,
      digest: spec.value.digest,
      status: 'draft',
      wave: 0,
      version: 1,
      spec: spec.value as unknown as Json,
      reducerState: state as unknown as Json,
      author: draft.author,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    };
    return store.transaction(async (tx) => {
      await writeNewRollout(tx, row, state.last);
      return ok(row);
    });
  }

  /** An order of a person. `version` is the one that person saw: two people cannot promote the same wave twice. */
  async order(
    address: { readonly fleet: FleetId; readonly rollout: RolloutId },
    order: { readonly event: PersonOrder; readonly version: number | undefined },
  ): Promise<Result<RolloutState, OrderFailure>> {
    const done = await this.#write(address, async (tx) => {
      const row = await tx.rollouts.get(address.fleet, address.rollout);
      if (row === null) return err({ code: 'not-found' as const, place: 'nowhere' });
      if (order.version !== undefined && order.version !== row.version) {
        return err({ code: 'precondition-failed' as const, place: placeOf(stateOf(row)) });
      }
      return this.#step(tx, row, await placed(tx, address.fleet, order.event));
    });
    if (!done.ok) return done;
    // A person may have changed whom the wave may tell.
    this.#walks.forget(address);
    await this.#options.director.serve(address.fleet, done.value.ordered);
    return ok(done.value.state);
  }

  /** What the open wave came to when it was last walked through, while that is believed. */
  walked(row: Rollout): WaveCount | undefined {
    return this.#walks.known(row, this.#options.clock.nowMs());
  }

  /** One turn of every open rollout of a fleet. Returns true when something moved, so that the caller looks again. */
  async turn(fleet: FleetId): Promise<boolean> {
    const { store, book, clock } = this.#options;
    this.#dueMs.delete(fleet);
    await store.transaction((tx) => settleOverdue(tx, fleet, { book, context: this.#context() }));
    const open = await this.#options.store.read((view) =>
      view.rollouts.list(fleet, { statuses: openStatuses }, { limit: limits.openRolloutsMax }),
    );
    const nowMs = clock.nowMs();
    let dueMs = nowMs + (open.length === 0 ? limits.idleLookMs : limits.rolloutLookMs);
    let moved = false;
    for (const { rollout } of open) {
      const done = await this.#write({ fleet, rollout }, async (tx) => {
        const row = await tx.rollouts.get(fleet, rollout);
        return row === null ? undefined : this.#step(tx, row, { type: 'looked' });
      });
      if (done === undefined || !done.ok) continue;
      moved ||= done.value.moved;
      for (const effect of done.value.effects) {
        if (effect.type === 'look-at') dueMs = Math.min(dueMs, effect.atMs);
      }
      await this.#options.director.serve(fleet, done.value.ordered);
    }
    this.#dueMs.set(fleet, dueMs);
    return moved;
  }

  /** Milliseconds until the clock alone may change something in one of these fleets. A failed turn is soon repeated. */
  restMs(fleets: readonly FleetId[]): number {
    const nowMs = this.#options.clock.nowMs();
    const rests = fleets.map(
      (fleet) => (this.#dueMs.get(fleet) ?? nowMs + limits.rolloutTurnMs) - nowMs,
    );
    // A clock that was set back must not make it wait for as long.
    return Math.min(limits.idleLookMs, Math.max(limits.rolloutTurnMsMin, Math.min(...rests)));
  }

  /**
   * What the book has read of rows that are taken back must not be believed: their versions are given again. And who
   * was to be told in them was not.
   */
  async #write<T>(
    address: { readonly fleet: FleetId; readonly rollout: RolloutId },
    work: (tx: StoreTx) => Promise<T>,
  ): Promise<T> {
    const { store, book } = this.#options;
    try {
      return await store.transaction(work);
    } catch (error) {
      book.forget(address.rollout);
      this.#walks.forget(address);
      throw error;
    }
  }

  /** The started rollouts that can matter to a device: of its own apps, and of those it may be given. */
  async rolloutsFor(
    tx: StoreTx,
    { device, apps: known, desired }: LoadedDevice,
  ): Promise<readonly DesiredRollout[]> {
    const { fleet } = device;
    const apps = new Set(known.map(({ app }) => app));
    // A device that was enrolled after everything had ended still gets what the fleet runs.
    for (const app of await tx.rollouts.listApps(fleet)) apps.add(app);
    const also = desired.exposures.map((exposure) => exposure.rollout);
    const rollouts: DesiredRollout[] = [];
    for (const app of [...apps].sort()) {
      rollouts.push(...(await this.#options.book.startedOf(tx, { fleet, app, also })));
    }
    return rollouts;
  }

  /** What a device should run may have changed because the device did: it reported, or its tags were edited. */
  async reconsider(
    tx: StoreTx,
    loaded: LoadedDevice,
    known?: readonly DesiredRollout[],
  ): Promise<DesiredDecision> {
    const rollouts = known ?? (await this.rolloutsFor(tx, loaded));
    const digests = rollouts.map(({ state }) => state.spec.digest);
    const { fleet } = loaded.device;
    const scope = { rollouts, context: this.#context(await standingOf(tx, fleet, digests)) };
    const order = orderOf(loaded, scope);
    await writeOrders(tx, fleet, [{ device: loaded.device, order }]);
    return order.decision;
  }

  /**
   * Harm first: the state steps on what is known before anybody is told anything, with the wave counted as not yet
   * offered, so it cannot pass on silence. Only what is still running afterwards offers one batch; a wave with nobody
   * left to tell may then go on. An order of a person only steps, unless devices must go back: the next turn follows.
   */
  async #step(
    tx: StoreTx,
    row: Rollout,
    event: RolloutEvent,
  ): Promise<Result<Turn, RolloutRefusal>> {
    const first = await this.#decide(tx, row, { event, scan: nobodyTold });
    if (!first.ok) return first;
    let now = first.value;
    const ordered: DeviceId[] = [];
    for (const effect of now.effects) {
      if (event.type !== 'looked' && effect.type !== 'restore-devices') continue;
      const done = await this.#perform(tx, now.row, effect);
      ordered.push(...done.ordered);
      if (done.answer === undefined) continue;
      const answered = await this.#decide(tx, now.row, { event: done.answer, scan: nobodyTold });
      if (!answered.ok) return answered;
      now = { ...answered.value, moved: now.moved || answered.value.moved };
    }
    const { state, effects } = now;
    if (event.type !== 'looked' || state.kind !== 'running' || state.assignment === null) {
      return ok({ state, effects, ordered, moved: now.moved || ordered.length > 0 });
    }
    const { told, count } = await this.#offer(tx, now.row);
    // Whoever was told, or is still to be looked at: the walk goes on with the next turn.
    if (count === undefined || now.moved) return ok({ state, effects, ordered: told, moved: true });
    const second = await this.#decide(tx, now.row, { event, scan: count });
    return second.ok ? ok({ ...second.value, ordered: [] }) : second;
  }

  /** One executor per effect: an event for those that ask something, devices for those that tell something. */
  async #perform(tx: StoreTx, row: Rollout, effect: RolloutEffect): Promise<Performed> {
    const { clock, random, book } = this.#options;
    switch (effect.type) {
      case 'freeze-membership': {
        const state = stateOf(row);
        invariant(state.kind === 'running', 'membership freezes when a rollout has started');
        const answer = await freezeMembership(tx, state, { nowMs: clock.nowMs(), random });
        return { ordered: [], answer };
      }
      case 'extend-wave': {
        const opened = book.open(row);
        invariant(opened !== undefined, 'a wave is open in a rollout that has started');
        const scope = await this.#scopeOf(tx, row);
        this.#walks.forget(row);
        return { ordered: [], answer: await findReplacements(tx, opened, { effect, scope }) };
      }
      case 'restore-devices': {
        const scope = await this.#scopeOf(tx, row);
        return { ordered: await restoreDevices(tx, row, { book, scope }) };
      }
      // `#offer`, after harm was looked for; of a completed rollout each device's next report asks for it.
      case 'offer-wave':
      // `writeStep` has written it together with the state.
      case 'record-transition':
      // The stored status stops the digest: `listStopped`.
      case 'stop-digest':
      // The stored state shows the secret from here on: `publishedAssignment`.
      case 'publish-secret':
      // `turn` remembers when.
      case 'look-at':
        return { ordered: [] };
      default:
        return unreachable(effect);
    }
  }

  /** Tells the next stretch of the open wave. A wave with nobody left to tell is not walked at each report. */
  async #offer(
    tx: StoreTx,
    row: Rollout,
  ): Promise<{ readonly told: readonly DeviceId[]; readonly count: WaveCount | undefined }> {
    const known = this.walked(row);
    if (known !== undefined) return { told: [], count: known };
    const opened = this.#options.book.open(row);
    if (opened === undefined) return { told: [], count: { offerable: 0, blocked: 0 } };
    const scope = await this.#scopeOf(tx, row);
    const { orders, count } = await this.#walks.step(tx, opened, { row, scope });
    const told = await writeOrders(tx, row.fleet, orders);
    return { told: sortedIds(told), count };
  }

  /** The started rollouts of the app, and what may not be offered. */
  async #scopeOf(tx: StoreTx, row: Rollout): Promise<OrderScope> {
    const { book } = this.#options;
    const rollouts = await book.startedOf(tx, { fleet: row.fleet, app: row.app });
    const digests = rollouts.map(({ state }) => state.spec.digest);
    return { rollouts, context: this.#context(await standingOf(tx, row.fleet, digests)) };
  }

  async #decide(
    tx: StoreTx,
    row: Rollout,
    input: { readonly event: RolloutEvent; readonly scan: WaveCount },
  ): Promise<Result<Decided, RolloutRefusal>> {
    const { clock, revoked } = this.#options;
    const before = stateOf(row);
    const now = { nowMs: clock.nowMs(), revoked: revoked(), scan: input.scan };
    const step = stepRollout(before, input.event, await readEvidence(tx, before, now));
    if (!step.ok) return step;
    const { state, effects } = step.value;
    const transition = effects.find((effect) => effect.type === 'record-transition')?.transition;
    await writeStep(tx, row, { state, transition, nowMs: now.nowMs });
    const saved = (await tx.rollouts.get(row.fleet, row.rollout)) ?? row;
    return ok({ state, effects, row: saved, moved: transition !== undefined });
  }

  #context(standing: Standing = nothingStopped): DesiredContext {
    const { clock, zones, revoked } = this.#options;
    return { nowMs: clock.nowMs(), zones, revoked: revoked(), ...standing };
  }
}

/** The order of claims: unique in the fleet, rising with each start. */
async function placed(tx: StoreTx, fleet: FleetId, event: PersonOrder): Promise<RolloutEvent> {
  if (event.type !== 'submitted' && event.type !== 'approved') return event;
  return { ...event, order: (await tx.rollouts.highestOrder(fleet)) + 1 };
}
