import { limits } from '../../../shared/contracts/limits.ts';
import type { RolloutRequest } from '../../../shared/contracts/rollout.ts';
import { hexOf } from '../../../shared/core/bytes.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import type { DeviceId, Digest, FleetId, RolloutId } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { Random } from '../../../shared/ports/random.ts';
import type { Zones } from '../../../shared/ports/zones.ts';
import { openStatuses, type Rollout, type RolloutStatus } from '../../core/model/rollout.ts';
import type { DesiredDecision } from '../../core/rollout/decide-desired.ts';
import type { DesiredRollout } from '../../core/rollout/offer-facts.ts';
import type { RolloutRefusal } from '../../core/rollout/rollout-move.ts';
import {
  placeOf,
  type RolloutEvent,
  type RolloutState,
  type Transition,
} from '../../core/rollout/rollout-state.ts';
import { resolveSpec, type SpecError } from '../../core/rollout/spec.ts';
import { stepExposure } from '../../core/rollout/step-exposure.ts';
import { createRollout, stepRollout } from '../../core/rollout/step-rollout.ts';
import type { Store, StoreTx } from '../../ports/store.ts';
import { appendAudit } from '../append-audit.ts';
import type { Director } from '../director.ts';
import { type LoadedDevice, loadDesiredDevice, loadDesiredDevices } from './desired-device.ts';
import { freezeMembership } from './freeze-membership.ts';
import { exposureContext, orderDevice } from './order-device.ts';
import { readEvidence } from './read-evidence.ts';
import { type RolloutBook, sortedIds, stateOf, stoppedDigests } from './rollout-book.ts';
import { offerWave, type WaveScan } from './wave-scan.ts';

export interface RolloutDeskOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly zones: Zones;
  readonly director: Director;
  readonly book: RolloutBook;
  readonly revoked: () => ReadonlySet<Digest>;
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
}

interface KnownScan {
  readonly scan: WaveScan;
  readonly wave: number;
  readonly atMs: number;
  readonly untilMs: number;
}

/** One member stands for all that may still have to be told. */
const nobodyTold = { offerable: 1, blocked: 0 };

/**
 * Rollouts as a level-triggered loop: each turn compares one rollout with its evidence, takes at most one step and
 * one batch of what the state asks for, in one transaction; signing and publishing follow. A crash between loses a
 * message, never a step.
 */
export class RolloutDesk {
  readonly #options: RolloutDeskOptions;
  /** The newest scan of each open wave that found nobody to tell. */
  readonly #scans = new Map<string, KnownScan>();

  constructor(options: RolloutDeskOptions) {
    this.#options = options;
  }

  /** A draft; `submitted` starts it, or sends it to an approver. */
  async create(
    fleet: FleetId,
    draft: { readonly request: RolloutRequest; readonly author: string },
  ): Promise<Result<Rollout, SpecError>> {
    const spec = resolveSpec(draft.request);
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
      await this.#recordTransition(tx, row, state.last, 'insert');
      return ok(row);
    });
  }

  /** An order of a person. `version` is the one that person saw: two people cannot promote the same wave twice. */
  async order(
    address: { readonly fleet: FleetId; readonly rollout: RolloutId },
    order: { readonly event: PersonOrder; readonly version: number | undefined },
  ): Promise<Result<RolloutState, OrderFailure>> {
    const done = await this.#options.store.transaction(async (tx) => {
      const row = await tx.rollouts.get(address.fleet, address.rollout);
      if (row === null) return err({ code: 'not-found' as const, place: 'nowhere' });
      if (order.version !== undefined && order.version !== row.version) {
        return err({ code: 'precondition-failed' as const, place: placeOf(stateOf(row)) });
      }
      return this.#step(tx, row, await placed(tx, address.fleet, order.event));
    });
    if (!done.ok) return done;
    await this.#options.director.serve(address.fleet, done.value.ordered);
    return ok(done.value.state);
  }

  /** One turn of every open rollout of a fleet. Returns true when something moved, so that the caller looks again. */
  async turn(fleet: FleetId): Promise<boolean> {
    await this.#settleOverdue(fleet);
    const open = await this.#options.store.read((view) =>
      view.rollouts.list(fleet, { statuses: openStatuses }, { limit: limits.openRolloutsMax }),
    );
    let moved = false;
    for (const { rollout } of open) {
      const done = await this.#options.store.transaction(async (tx) => {
        const row = await tx.rollouts.get(fleet, rollout);
        return row === null ? undefined : this.#step(tx, row, { type: 'looked' });
      });
      if (done === undefined || !done.ok) continue;
      moved ||= done.value.moved;
      await this.#options.director.serve(fleet, done.value.ordered);
    }
    return moved;
  }

  /** The started rollouts that can matter to a device: those of its apps, and the open ones. */
  async rolloutsFor(
    tx: StoreTx,
    { device, apps: known, desired }: LoadedDevice,
  ): Promise<readonly DesiredRollout[]> {
    const { fleet } = device;
    const apps = new Set(known.map(({ app }) => app));
    const page = { limit: limits.openRolloutsMax };
    for (const { app } of await tx.rollouts.listVersions(fleet, { statuses: openStatuses }, page)) {
      apps.add(app);
    }
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
    const stopped = await stoppedDigests(tx, loaded.device.fleet, digests);
    return orderDevice(tx, loaded, { rollouts, context: this.#context(stopped) });
  }

  /**
   * Harm first: the state steps on what is known before anybody is told anything, with the wave counted as not yet
   * offered, so it cannot pass on silence. Only what is still running afterwards offers one batch;
   * a wave with nobody left
   * to tell may then go on.
   */
  async #step(
    tx: StoreTx,
    row: Rollout,
    event: RolloutEvent,
  ): Promise<Result<Turn, RolloutRefusal>> {
    const { clock, random } = this.#options;
    const before = stateOf(row);
    const isFreezing =
      event.type === 'looked' && before.kind === 'running' && before.assignment === null;
    const answered = isFreezing
      ? await freezeMembership(tx, before, { nowMs: clock.nowMs(), random })
      : event;
    const first = await this.#decide(tx, row, { event: answered, scan: nobodyTold });
    if (!first.ok) return first;
    const { state } = first.value;
    if (state.kind === 'aborting' || state.kind === 'aborted') {
      const ordered = await this.#restore(tx, first.value.row);
      return ok({ state, ordered, moved: first.value.moved || ordered.length > 0 });
    }
    if (event.type !== 'looked' || state.kind !== 'running' || state.assignment === null) {
      return ok({ state, ordered: [], moved: first.value.moved });
    }
    const scan = await this.#scan(tx, first.value.row);
    const told = sortedIds(scan.ordered);
    if (told.length > 0 || first.value.moved) return ok({ state, ordered: told, moved: true });
    return this.#decide(tx, first.value.row, { event, scan });
  }

  /** A wave that has nobody left to tell is walked through once a second, not at each report of its devices. */
  async #scan(tx: StoreTx, row: Rollout): Promise<WaveScan> {
    const nowMs = this.#options.clock.nowMs();
    const name = `${row.fleet} ${row.rollout}`;
    const known = this.#scans.get(name);
    const isFresh = known !== undefined && nowMs < known.untilMs && nowMs >= known.atMs;
    if (isFresh && known.wave === row.wave) return known.scan;
    const scan = await this.#offer(tx, row);
    this.#scans.delete(name);
    if (scan.ordered.length === 0) {
      const untilMs = nowMs + limits.waveScanMs;
      this.#scans.set(name, { scan, wave: row.wave, atMs: nowMs, untilMs });
    }
    const [oldest] = this.#scans.keys();
    if (this.#scans.size > limits.openRolloutsMax && oldest !== undefined) {
      this.#scans.delete(oldest);
    }
    return scan;
  }

  async #offer(tx: StoreTx, row: Rollout): Promise<WaveScan> {
    const { book } = this.#options;
    const opened = book.open(row);
    if (opened === undefined) return { ordered: [], offerable: 0, blocked: 0 };
    const stopped = await stoppedDigests(tx, row.fleet, [row.digest]);
    const rollouts = await book.startedOf(tx, { fleet: row.fleet, app: row.app });
    return offerWave(tx, opened, { rollouts, context: this.#context(stopped) });
  }

  async #decide(
    tx: StoreTx,
    row: Rollout,
    input: { readonly event: RolloutEvent; readonly scan: Pick<WaveScan, 'offerable' | 'blocked'> },
  ): Promise<Result<Turn & { readonly row: Rollout }, RolloutRefusal>> {
    const { clock, revoked } = this.#options;
    const before = stateOf(row);
    const now = { nowMs: clock.nowMs(), revoked: revoked(), scan: input.scan };
    const step = stepRollout(before, input.event, await readEvidence(tx, before, now));
    if (!step.ok) return step;
    const { state, effects } = step.value;
    const transition = effects.find((effect) => effect.type === 'record-transition')?.transition;
    await this.#save(tx, row, { state, transition });
    const saved = (await tx.rollouts.get(row.fleet, row.rollout)) ?? row;
    return ok({ state, row: saved, ordered: [], moved: transition !== undefined });
  }

  async #save(
    tx: StoreTx,
    row: Rollout,
    step: { readonly state: RolloutState; readonly transition: Transition | undefined },
  ): Promise<void> {
    const { state, transition } = step;
    const nowMs = this.#options.clock.nowMs();
    if (transition !== undefined) await this.#recordTransition(tx, row, transition);
    const isSame = JSON.stringify(state) === JSON.stringify(row.reducerState);
    if (isSame) return;
    await tx.rollouts.update(row.fleet, row.rollout, {
      expectedVersion: row.version,
      nowMs,
      patch: {
        status: statusOf(state),
        wave: state.kind === 'running' ? state.wave : row.wave,
        reducerState: state as unknown as Json,
        digest: state.spec.digest,
        spec: state.spec as unknown as Json,
      },
    });
  }

  /** The audit row comes before its effect, in the same transaction. */
  async #recordTransition(
    tx: StoreTx,
    row: Rollout,
    transition: Transition,
    effect: 'insert' | 'update' = 'update',
  ): Promise<void> {
    const actor = transition.by.kind === 'person' ? transition.by.name : 'skein';
    const details = { ...transition, by: actor } as unknown as Json;
    const common = { atMs: transition.atMs, actor };
    await appendAudit(tx, {
      ...common,
      fleet: row.fleet,
      action: 'rollout-moved',
      subject: row.rollout,
      details,
    });
    if (effect === 'insert') await tx.rollouts.insert(row);
    await tx.rollouts.appendEvent(row.fleet, row.rollout, {
      ...common,
      kind: transition.to,
      reason: transition.code,
      numbers: transition.because,
    });
    await tx.events.append(row.fleet, {
      atMs: transition.atMs,
      kind: 'rollout-moved',
      subject: row.rollout,
      content: details,
    });
  }

  /** One batch of exposures that have not been told to go back. */
  async #restore(tx: StoreTx, row: Rollout): Promise<readonly DeviceId[]> {
    const phases = ['offered', 'acknowledged', 'committed', 'failed', 'unreached'] as const;
    const page = { limit: limits.offersPerTurnMax };
    const exposures = await tx.offers.listByPhase(row.fleet, row.rollout, { phases, page });
    const ordered: DeviceId[] = [];
    const devices = await tx.devices.listByIds(
      row.fleet,
      exposures.map(({ device }) => device),
    );
    for (const loaded of await loadDesiredDevices(tx, devices)) {
      const also = loaded.desired.exposures.map((exposure) => exposure.rollout);
      const rollouts = await this.#options.book.startedOf(tx, {
        fleet: row.fleet,
        app: row.app,
        also,
      });
      const scope = { rollouts, context: this.#context(new Set([row.digest])) };
      if ((await orderDevice(tx, loaded, scope)).changed) ordered.push(loaded.device.device);
    }
    return ordered;
  }

  /** Silence becomes an outcome when its time is over. */
  async #settleOverdue(fleet: FleetId): Promise<void> {
    await this.#options.store.transaction(async (tx) => {
      const nowMs = this.#options.clock.nowMs();
      const due = await tx.offers.listDue(fleet, nowMs, limits.offersPerTurnMax);
      for (const { exposure, cell, arm } of due) {
        const row = await tx.rollouts.get(fleet, exposure.rollout);
        const device = await tx.devices.get(fleet, exposure.device);
        const rollout = row === null ? undefined : this.#options.book.open(row);
        if (device === null || rollout === undefined) continue;
        const loaded = await loadDesiredDevice(tx, device);
        const scope = { rollouts: [rollout], context: this.#context(new Set()) };
        const context = exposureContext(loaded, rollout, scope);
        await tx.offers.put(fleet, {
          cell,
          arm,
          exposure: stepExposure(exposure, { type: 'due' }, context),
        });
      }
    });
  }

  #context(stopped: ReadonlySet<Digest>) {
    const { clock, zones, revoked } = this.#options;
    return { nowMs: clock.nowMs(), zones, revoked: revoked(), stopped };
  }
}

/** The order of claims: unique in the fleet, rising with each start. */
async function placed(tx: StoreTx, fleet: FleetId, event: PersonOrder): Promise<RolloutEvent> {
  if (event.type !== 'submitted' && event.type !== 'approved') return event;
  return { ...event, order: (await tx.rollouts.highestOrder(fleet)) + 1 };
}

const statusOf = (state: RolloutState): RolloutStatus => state.kind;
