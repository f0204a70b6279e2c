import { limits } from '../../shared/contracts/limits.ts';
import { Doorbell } from '../../shared/core/doorbell.ts';
import type { AppName, Digest } from '../../shared/core/ids.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import type { Random } from '../../shared/ports/random.ts';
import { compactUpdate } from '../core/update/compact-update.ts';
import { type AppDecision, decideSteps, type Step } from '../core/update/decide-steps.ts';
import { parseUpdateRecord } from '../core/update/parse-update-record.ts';
import type { Slot } from '../core/update/slot.ts';
import { stepUpdate } from '../core/update/step-update.ts';
import type { DurableUpdateEvent, UpdateEvent } from '../core/update/update-event.ts';
import { initialUpdateState, type UpdateState } from '../core/update/update-state.ts';
import type { Installer, InstallFailure } from './installer.ts';
import { JournalFile } from './journal-file.ts';
import type { HostedModel, ModelHost } from './model-host.ts';
import type { SpreadWindow } from './spread-window.ts';
import type { StandInDesk } from './stand-in-desk.ts';
import type { StoreKeeper } from './store-keeper.ts';

export interface UpdateRunnerOptions {
  readonly disk: DeviceDisk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly installer: Installer;
  readonly models: ModelHost;
  readonly store: Pick<StoreKeeper, 'protect' | 'sweep'>;
  /** Newly verified metadata may say that something must not run. */
  readonly learnRevocations: () => Promise<void>;
  /** Wall time that a nonce-bound server signature vouches for; absent until one arrived in this boot. */
  readonly trustedNowMs: () => number | undefined;
  /** Bundles that may not run on metadata as old as this device's. */
  readonly stale: () => ReadonlySet<Digest>;
  readonly standIns: Pick<StandInDesk, 'standIn'>;
  readonly spread: Pick<SpreadWindow, 'placeMs'>;
  /** Another model answers for the app, or none. Called before the event is fed. */
  readonly modelChanged: (app: AppName, model: HostedModel | undefined) => void;
  /** The state moved: a report is due. */
  readonly stateChanged: () => void;
}

const leavesGarbage: ReadonlySet<UpdateEvent['kind']> = new Set<UpdateEvent['kind']>([
  'committed',
  'verdict-reached',
  'slot-damaged',
]);

type Failure = Pick<InstallFailure, 'code' | 'message' | 'isFinal'>;

/**
 * Performs the device's update decisions.
 *
 * INVARIANTS
 * - A durable event is in the journal before it is in the state, and in the state before anything acts on it.
 * - At most one step per app is under way; its result comes back as an event, and the comparison begins anew.
 * - Results for a digest that is no longer the target are dropped by the reducer, so an old step can do no harm.
 */
export class UpdateRunner {
  readonly #options: UpdateRunnerOptions;
  readonly #journal: JournalFile<DurableUpdateEvent>;
  readonly #bell = new Doorbell();
  readonly #busy = new Set<AppName>();
  /** Where the machine itself failed, such as a full disk: without a pause the loop would spin. */
  readonly #pausedUntilMs = new Map<AppName, number>();
  #state: UpdateState;
  /** What was current or last-good may have become garbage; at the start, what an earlier boot left. */
  #isSweepDue = true;
  #isOver = false;

  private constructor(
    options: UpdateRunnerOptions,
    journal: JournalFile<DurableUpdateEvent>,
    state: UpdateState,
  ) {
    this.#options = options;
    this.#journal = journal;
    this.#state = state;
  }

  static async open(options: UpdateRunnerOptions): Promise<UpdateRunner> {
    const { disk, clock, log } = options;
    const { journal, records, damage } = await JournalFile.open<DurableUpdateEvent>({
      disk,
      path: 'state/update.journal',
      bytesMax: limits.updateJournalBytesMax,
      parse: parseUpdateRecord,
    });
    if (damage.kind === 'corrupt') {
      log.error({ event: 'journal-corrupt', code: damage.code }, 'the update journal lost records');
    }
    const context = { monotonicMs: clock.monotonicMs() };
    const replayed = records.reduce(
      (state, event) => stepUpdate(state, event, context),
      initialUpdateState,
    );
    return new UpdateRunner(options, journal, stepUpdate(replayed, { kind: 'booted' }, context));
  }

  get state(): UpdateState {
    return this.#state;
  }

  decisions(): readonly AppDecision[] {
    const { clock, trustedNowMs, stale } = this.#options;
    return decideSteps(this.#state, {
      monotonicMs: clock.monotonicMs(),
      trustedNowMs: trustedNowMs(),
      stale: stale(),
    });
  }

  /** Journal, then state. Resolves when it is durable. */
  async record(event: DurableUpdateEvent): Promise<void> {
    if (this.#journal.isLarge) await this.#journal.compact(compactUpdate(this.#state));
    await this.#journal.append(event);
    if (leavesGarbage.has(event.kind)) this.#isSweepDue = true;
    this.#count(event);
    this.feed(event);
  }

  #count(event: DurableUpdateEvent): void {
    const { metrics } = this.#options;
    if (event.kind === 'committed') {
      metrics.count('skein_updates_total', 1, { app: event.app, code: event.kind });
    }
    if (event.kind !== 'verdict-reached') return;
    const { app, slot, reason: code } = event;
    metrics.count('skein_updates_total', 1, { app, code });
    const hasAnswered = this.#state.apps.get(app)?.running?.slot.digest === slot.digest;
    if (hasAnswered) metrics.count('skein_reverts_total', 1, { app, code });
  }

  feed(event: UpdateEvent): void {
    const before = this.#state;
    this.#state = stepUpdate(before, event, { monotonicMs: this.#options.clock.monotonicMs() });
    if (this.#state === before) return;
    if (event.kind !== 'inferences-counted') this.#options.stateChanged();
    this.#bell.ring();
  }

  /** Something outside changed, such as the trusted time: compare again. */
  wake(): void {
    this.#bell.ring();
  }

  /**
   * Compares and performs until the signal aborts. A step that is under way then is not waited for: it may be
   * a download, and the next start finds it again.
   */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#bell.ring();
    signal.addEventListener('abort', stop, { once: true });
    while (!signal.aborted) {
      await this.#sweep();
      let untilMs: number | undefined;
      for (const { app, step, rest } of this.decisions()) {
        if (this.#busy.has(app)) continue;
        const heldUntilMs = this.#heldUntilMs(app, step);
        if (this.#options.clock.monotonicMs() < heldUntilMs) {
          untilMs = Math.min(untilMs ?? heldUntilMs, heldUntilMs);
          continue;
        }
        if (step !== undefined) this.#begin(app, step);
        if (rest?.kind === 'waiting' && rest.untilMonotonicMs !== undefined) {
          untilMs = Math.min(untilMs ?? rest.untilMonotonicMs, rest.untilMonotonicMs);
        }
      }
      await this.#rest(untilMs);
    }
    this.#isOver = true;
  }

  /** A fetch begins with a refresh of the metadata: a whole wave would ask for it at once. Going back never waits. */
  #heldUntilMs(app: AppName, step: Step | undefined): number {
    const pausedUntilMs = this.#pausedUntilMs.get(app) ?? 0;
    if (step?.kind !== 'fetch-bundle') return pausedUntilMs;
    return Math.max(pausedUntilMs, this.#options.spread.placeMs);
  }

  /** Between steps only: a step that links blobs must find them where it left them. */
  async #sweep(): Promise<void> {
    if (!this.#isSweepDue || this.#busy.size > 0) return;
    this.#isSweepDue = !(await this.#options.store.sweep(this.#state));
  }

  async #rest(untilMonotonicMs: number | undefined): Promise<void> {
    if (untilMonotonicMs === undefined) return this.#bell.wait();
    const woken = new AbortController();
    const alarm = this.#options.clock.sleepUntil(untilMonotonicMs, woken.signal);
    // An aborted sleep resolves too, so it must not ring: that would wake the next rest at once, for ever.
    await Promise.race([this.#bell.wait(), alarm]);
    woken.abort();
  }

  #begin(app: AppName, step: Step): void {
    this.#busy.add(app);
    const done = (): void => {
      this.#busy.delete(app);
      this.#bell.ring();
    };
    this.#perform(app, step).then(done, (error: unknown) => {
      if (this.#isOver) {
        done();
        return;
      }
      const fields = { event: 'step-failed', step: step.kind, app, code: codeOf(error), error };
      this.#options.log.error(fields, 'a step of the update failed; it is tried again');
      this.#postpone(app, step, { code: codeOf(error), message: String(error), isFinal: false });
      const { clock } = this.#options;
      this.#pausedUntilMs.set(app, clock.monotonicMs() + limits.stepBackoffMs);
      done();
    });
  }

  async #perform(app: AppName, step: Step): Promise<void> {
    const { installer, models, standIns, trustedNowMs } = this.#options;
    switch (step.kind) {
      case 'record':
        return this.record(step.event);
      case 'fetch-bundle': {
        const nowMs = trustedNowMs();
        if (nowMs === undefined) return;
        const { revoked, replaced } = this.#state;
        const scope = { trustedNowMs: nowMs, revoked: new Set([...revoked, ...replaced]) };
        const done = await installer.fetch(step.target, scope);
        if (!done.ok) return this.#fail(app, step, { slot: step.target, failure: done.error });
        await this.#options.learnRevocations();
        this.feed({ kind: 'bundle-fetched', app, digest: step.target.digest });
        return;
      }
      case 'verify-bundle': {
        const done = await installer.verify(step.target);
        if (!done.ok) return this.#fail(app, step, { slot: step.target, failure: done.error });
        this.feed({ kind: 'bundle-verified', app, digest: step.target.digest });
        return;
      }
      case 'stage-slot': {
        const done = await installer.stage(step.target);
        if (!done.ok) return this.#fail(app, step, { slot: step.target, failure: done.error });
        await this.#protect(app, step.target.digest);
        this.feed({ kind: 'slot-staged', app, digest: step.target.digest });
        return;
      }
      case 'self-test': {
        const done = await models.selfTest(app, step.target);
        if (!done.ok) return this.#fail(app, step, { slot: step.target, failure: done.error });
        this.feed({ kind: 'self-test-passed', app, digest: step.target.digest });
        return;
      }
      case 'activate':
        return this.#activate(app, step);
      case 'stand-in': {
        const slot = await standIns.standIn(app, step.slots);
        const candidates = step.slots.map(({ digest }) => digest);
        this.feed({ kind: 'stood-in', app, candidates, slot });
        return;
      }
      case 'stop': {
        const digest = this.#state.apps.get(app)?.running?.slot.digest;
        await models.stop(app);
        this.#options.modelChanged(app, undefined);
        if (digest !== undefined) this.feed({ kind: 'session-lost', app, digest });
      }
    }
  }

  async #activate(app: AppName, step: Extract<Step, { kind: 'activate' }>): Promise<void> {
    const { models, modelChanged } = this.#options;
    const { slot, host } = step;
    const activated = await models.activate(app, slot, host);
    if (activated.ok) {
      modelChanged(app, activated.value);
      const { probation } = activated.value.bundle.config;
      this.feed({ kind: 'activated', app, slot, host, probation });
      if (host === 'worker') await this.#protect(app, slot.digest);
      return;
    }
    const { code } = activated.error;
    const isRotten =
      code === 'blob-corrupt' || code === 'slot-incomplete' || code === 'blob-missing';
    if (isRotten && host === 'worker') {
      return this.record({ kind: 'slot-damaged', app, digest: slot.digest });
    }
    // A trial that does not come up is judged by the activations that were counted for it.
    if (host === 'process' && !activated.error.isFinal) {
      this.feed({ kind: 'session-lost', app, digest: slot.digest });
      return;
    }
    return this.#fail(app, step, { slot, failure: activated.error });
  }

  /** The bundle to go back to must survive a bad sector under the one that runs or is about to. */
  async #protect(app: AppName, active: Digest): Promise<void> {
    const held = this.#state.apps.get(app)?.held ?? [];
    const lastGood = held.find(({ digest }) => digest !== active);
    if (lastGood !== undefined) await this.#options.store.protect(app, lastGood.digest, active);
  }

  async #fail(
    app: AppName,
    step: Step,
    failed: { readonly slot: Slot; readonly failure: Failure },
  ): Promise<void> {
    const { slot, failure } = failed;
    const { code, message, isFinal } = failure;
    const fields = {
      event: 'step-failed',
      step: step.kind,
      app,
      digest: slot.digest,
      code,
      message,
    };
    this.#options.log.warn(
      fields,
      isFinal ? 'the bundle is refused' : 'the step is tried again later',
    );
    if (!isFinal) {
      this.#postpone(app, step, failure);
      return;
    }
    const { path, digest, retry } = slot;
    await this.record({
      kind: 'verdict-reached',
      app,
      slot: { path, digest, retry },
      reason: code,
    });
  }

  #postpone(app: AppName, step: Step, { code }: Failure): void {
    const digest = digestOfStep(step);
    const attempt = this.#state.apps.get(app)?.attempt;
    if (digest === undefined) return;
    this.#options.metrics.count('skein_update_retries_total', 1, { app, code });
    const failures = attempt !== undefined && attempt.phase !== 'probation' ? attempt.failures : 0;
    // Full jitter (Brooker, 2015): a fleet that failed together must not come back together.
    const ceilingMs = Math.min(
      limits.stepBackoffMsMax,
      limits.stepBackoffMs * 2 * (1 << Math.min(failures, 16)),
    );
    const retryAfterMs = Math.ceil(limits.stepBackoffMs + this.#options.random.unit() * ceilingMs);
    this.feed({ kind: 'step-postponed', app, digest, code, retryAfterMs });
  }
}

function digestOfStep(step: Step): Digest | undefined {
  if ('target' in step) return step.target.digest;
  return step.kind === 'activate' ? step.slot.digest : undefined;
}
