import { limits } from '../../shared/contracts/limits.ts';
import type { AppName, Digest } from '../../shared/core/ids.ts';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import {
  decideGuard,
  type GuardDecision,
  noSlotFacts,
  type SlotFacts,
} from '../core/guard/decide-guard.ts';
import { type RecentFacts, RecentOutcomes } from '../core/guard/recent-outcomes.ts';
import type { InferenceInput } from '../core/inference/prepare-input.ts';
import {
  type MonitorEvent,
  type MonitorState,
  openMonitor,
  stepMonitor,
  watchModel,
} from '../core/monitor/step-monitor.ts';
import type { WatchId } from '../core/monitor/watched-model.ts';
import type { Participant } from './federation/participant.ts';
import type { HostedModel, ModelHost, TimedAnswer } from './model-host.ts';
import type { OutboxWriter } from './outbox-writer.ts';
import type { StandInDesk, StandingIn } from './stand-in-desk.ts';
import type { UpdateRunner } from './update-runner.ts';

/** The slot that hangs, and the code of the verdict against it. */
export interface Blame {
  readonly slot: string;
  readonly code: string;
}

export interface InferenceDeskOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly models: ModelHost;
  readonly outbox: OutboxWriter;
  readonly updates: () => UpdateRunner;
  readonly standIns: Pick<StandInDesk, 'of' | 'answer' | 'dismiss'>;
  readonly rounds: Pick<Participant, 'look' | 'keep'>;
  readonly windowMs: number;
  /** Histograms of fewer values do not leave with their window. */
  readonly minCount: number;
  readonly memoryBytesMax: number;
  /** Only a kill from outside ends a hung worker, or gives back what leaked; the verdict is durable by then. */
  readonly askToBeKilled: (blame: Blame) => void;
  /** Milliseconds from the verdict to the first answer of the model that took over. */
  readonly wentBack: (app: AppName, revertMs: number) => void;
}

interface Watched {
  readonly model: HostedModel;
  readonly watch: WatchId;
  readonly recent: RecentOutcomes;
  outcomesSinceLook: number;
  answers: number;
}

const lostSession: ReadonlySet<string> = new Set([
  'inference-timeout',
  'memory-limit',
  'session-lost',
]);

const noOutcomes: RecentFacts = new RecentOutcomes(1).facts();

/** Every answer passes here: it is counted into the open window, judged by the guard, and proves a bundle on trial. */
export class InferenceDesk {
  readonly #options: InferenceDeskOptions;
  readonly #watched = new Map<AppName, Watched>();
  /** Monotonic instants at which a committed model took its host down. */
  readonly #losses = new Map<Digest, readonly number[]>();
  #monitor: MonitorState;

  constructor(options: InferenceDeskOptions) {
    this.#options = options;
    this.#monitor = openMonitor(this.#context());
  }

  /** Another model answers from now on, or none. */
  modelChanged(app: AppName, model: HostedModel | undefined): void {
    const before = this.#watched.get(app);
    if (before !== undefined) this.#count({ kind: 'model-unwatched', watch: before.watch });
    this.#watched.delete(app);
    if (model === undefined) return;
    this.#options.standIns.dismiss(app);
    const { config } = model.bundle;
    const { postprocessing, profile } = config;
    const watch = watchModel(this.#monitor, {
      app,
      digest: model.slot.digest,
      phase: model.host === 'process' ? 'probation' : 'committed',
      classes: postprocessing.kind === 'classify' ? postprocessing.labels.length : 0,
      monitored: profile.monitored,
    });
    const recent = new RecentOutcomes();
    this.#watched.set(app, { model, watch, recent, outcomesSinceLook: 0, answers: 0 });
  }

  /**
   * `label`: what the answer should be, where it is known at once. Where no model may run, the default answer of the
   * bundle, marked as such. Throws `no-model` and what the session throws.
   */
  async infer(app: AppName, input: InferenceInput, label?: string): Promise<TimedAnswer> {
    const watched = this.#watched.get(app);
    if (watched === undefined) return this.#answerByDefault(app, input);
    const { rounds } = this.#options;
    const look = rounds.look(watched.model, input, label);
    try {
      const answer = await this.#options.models.infer(watched.model, input);
      if (look !== undefined) rounds.keep(look);
      const isCorrect = label === undefined ? undefined : answer.label === label;
      this.#count({
        kind: 'inference-answered',
        watch: watched.watch,
        answer: { ...answer, isCorrect },
      });
      this.#options.metrics.observe('skein_inference_seconds', answer.runMs / 1_000, { app });
      watched.recent.addAnswer(answer.runMs, answer.confidence);
      await this.#answered(app, watched);
      return answer;
    } catch (error) {
      const code = codeOf(error);
      // The caller's own mistake says nothing about the model.
      if (code === 'inference-input-mismatch' || code === 'queue-full') this.#refused(app, code);
      else {
        this.#options.metrics.count('skein_inference_failures_total', 1, { app, code });
        await this.#failed(app, watched, code);
      }
      throw error;
    }
  }

  /** Counted apart: no model ran, so nothing is learned of one, and no label is compared. */
  #answerByDefault(app: AppName, input: InferenceInput): TimedAnswer {
    const { standIns, metrics } = this.#options;
    const standing = standIns.of(app);
    if (standing === undefined) throw new OperatingError('no-model', `nothing answers for ${app}`);
    const answer = this.#givenBy(standing, app, input);
    this.#count({ kind: 'default-answered', app, digest: standing.slot.digest });
    metrics.count('skein_default_answers_total', 1, { app });
    return answer;
  }

  #givenBy(standing: StandingIn, app: AppName, input: InferenceInput): TimedAnswer {
    try {
      return this.#options.standIns.answer(standing, input);
    } catch (error) {
      this.#refused(app, codeOf(error));
      throw error;
    }
  }

  #refused(app: AppName, code: string): void {
    this.#options.metrics.count('skein_inference_refusals_total', 1, { app, code });
  }

  /** Closes windows by clock until the signal aborts, then the open one. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      await clock.sleepUntil(this.#monitor.closesAtMonotonicMs, signal);
      await this.#close(isOver() ? 'shutdown-begun' : 'clock-ticked');
      await this.judgeAll();
    }
  }

  /** At each window's end, and when the supervisor says that this process holds too much memory. */
  async judgeAll(): Promise<void> {
    for (const [app, watched] of this.#watched) await this.#judge(app, watched);
  }

  async #close(kind: 'shutdown-begun' | 'clock-ticked'): Promise<void> {
    const { state, effects } = stepMonitor(this.#monitor, { kind }, this.#context());
    this.#monitor = state;
    for (const { draft } of effects) await this.#options.outbox.appendWindow(draft);
  }

  async #answered(app: AppName, watched: Watched): Promise<void> {
    const updates = this.#options.updates();
    const state = updates.state.apps.get(app);
    watched.answers += 1;
    if (watched.answers === 1 && state?.outcome?.kind === 'reverted') {
      const { verdictMonotonicMs } = state.outcome;
      if (verdictMonotonicMs !== undefined) {
        this.#options.wentBack(app, this.#options.clock.monotonicMs() - verdictMonotonicMs);
      }
    }
    // Only a trial needs to know how many; afterwards the count is of no use and would cost a copy each.
    if (state?.attempt?.phase === 'probation') {
      const { digest } = watched.model.slot;
      updates.feed({ kind: 'inferences-counted', app, digest, count: 1 });
    }
    watched.outcomesSinceLook += 1;
    if (watched.outcomesSinceLook >= limits.guardLookEvery) await this.#judge(app, watched);
  }

  async #failed(app: AppName, watched: Watched, code: string): Promise<void> {
    this.#count({ kind: 'inference-failed', watch: watched.watch, code });
    watched.recent.addFailure();
    if (!lostSession.has(code)) return this.#judge(app, watched);
    if (this.#watched.get(app) !== watched) return;
    const { models, updates, askToBeKilled } = this.#options;
    this.modelChanged(app, undefined);
    models.forget(watched.model);
    const { slot, host } = watched.model;
    // A trial's losses are counted as activations; a committed model would come up and go down for ever.
    const crashes = code === 'session-lost' && host === 'worker' ? this.#countLoss(slot.digest) : 0;
    const kills = {
      ...{ ...noSlotFacts, crashes },
      hangs: code === 'inference-timeout' ? 1 : 0,
      memoryKills: code === 'memory-limit' ? 1 : 0,
    };
    // By how it ended alone: what it answered before is judged where it goes on answering.
    const decision = this.#decide(watched.model, { recent: noOutcomes, kills });
    if (decision.verdict === 'keep') {
      updates().feed({ kind: 'session-lost', app, digest: slot.digest });
      return;
    }
    const { reason } = decision;
    await updates().record({ kind: 'verdict-reached', app, slot, reason });
    if (host === 'worker' && code === 'inference-timeout') {
      askToBeKilled({ slot: slot.path, code: reason });
    }
  }

  /** Losses within the window, this one included. */
  #countLoss(digest: Digest): number {
    const nowMs = this.#options.clock.monotonicMs();
    const recent = (this.#losses.get(digest) ?? []).filter(
      (atMs) => nowMs - atMs < limits.sessionLossWindowMs,
    );
    this.#losses.delete(digest);
    this.#losses.set(digest, [...recent, nowMs].slice(-limits.sessionLossesMax));
    const [oldest] = this.#losses.keys();
    if (this.#losses.size > limits.windowModelsMax && oldest !== undefined) {
      this.#losses.delete(oldest);
    }
    return recent.length + 1;
  }

  async #judge(app: AppName, watched: Watched): Promise<void> {
    if (this.#watched.get(app) !== watched) return;
    watched.outcomesSinceLook = 0;
    const { slot, host, session } = watched.model;
    const residentBytes = await session.residentBytes();
    const decision = this.#decide(watched.model, {
      recent: watched.recent.facts(),
      kills: { ...noSlotFacts, residentBytes },
    });
    if (decision.verdict === 'keep' || this.#watched.get(app) !== watched) return;
    const updates = this.#options.updates();
    const isJudged = updates.state.refusals.some((refusal) => refusal.digest === slot.digest);
    if (isJudged) return;
    const { reason } = decision;
    await updates.record({ kind: 'verdict-reached', app, slot, reason });
    // What leaked into this process goes with this process only, and must not be counted against the next model.
    if (reason === 'memory-limit' && host === 'worker') {
      this.#options.askToBeKilled({ slot: slot.path, code: reason });
    }
  }

  #decide(
    model: HostedModel,
    { recent, kills }: { readonly recent: RecentFacts; readonly kills: SlotFacts },
  ): GuardDecision {
    const { guards, limits: asked } = model.bundle.config;
    const ceiling = Math.min(asked.memoryBytesMax, this.#options.memoryBytesMax);
    // A worker's share holds what the agent's own rooms took since; a process of its own holds nothing else.
    const memoryBytesMax = model.host === 'worker' ? ceiling + limits.agentGrowthBytesMax : ceiling;
    const killsMax = kills.crashes > 0 ? limits.sessionLossesMax - 1 : 0;
    return decideGuard({ ...guards, memoryBytesMax, killsMax }, recent, kills);
  }

  #count(event: MonitorEvent): void {
    this.#monitor = stepMonitor(this.#monitor, event, this.#context()).state;
  }

  #context() {
    const { clock, windowMs, minCount } = this.#options;
    return { nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs(), windowMs, minCount };
  }
}
