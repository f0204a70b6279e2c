import { limits } from '../../../shared/contracts/limits.ts';
import { textOf, utf8 } from '../../../shared/core/bytes.ts';
import { unreachable } from '../../../shared/core/invariant.ts';
import { codeOf } from '../../../shared/core/operating-error.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { DeviceDisk } from '../../../shared/ports/device-disk.ts';
import type { Log } from '../../../shared/ports/log.ts';
import type { ChildProcess, ProcessHost } from '../../../shared/ports/process-host.ts';
import { childMessageOf } from '../core/child-message.ts';
import { type PreviousExit, previousExitOf, previousExitText } from '../core/previous-exit.ts';
import { nextDueMs, type SupervisionEvent, stepSupervision } from '../core/step-supervision.ts';
import type { SupervisionEffect } from '../core/supervision-effect.ts';
import type { SupervisionPolicy } from '../core/supervision-policy.ts';
import { firstState, type SupervisionState } from '../core/supervision-state.ts';

export interface SupervisorOptions {
  readonly processes: ProcessHost;
  readonly clock: Clock;
  readonly disk: DeviceDisk;
  readonly log: Log;
  readonly policy: SupervisionPolicy;
  /** The agent's program as the ProcessHost knows it. */
  readonly program: string;
  readonly arguments: readonly string[];
}

const exitPath = 'supervision.json';

/**
 * The agent's parent: spawns it, listens for its heartbeat, kills it, starts it again and tells it how it ended.
 *
 * INVARIANTS
 * - Events are stepped at once and in order; their effects run one after another, in order.
 * - At most one child lives: the next is spawned by an effect of the exit of the one before.
 * - Trials are judged here by their own pid and birth, so that a blocked control thread of the agent protects none.
 * - Heartbeats cause no effect, so a child that floods its line fills no queue.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #state: SupervisionState = firstState;
  #child: ChildProcess | undefined;
  #effects: Promise<void> = Promise.resolve();
  #wake = new AbortController();
  #exitCode: number | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Resolves with the exit code once `stop` was asked for, or when only a person can help. */
  async run(): Promise<number> {
    this.#step({ kind: 'supervisor-started', previous: await this.#readExit() });
    const { clock } = this.#options;
    while (this.#exitCode === undefined) {
      const wake = new AbortController();
      this.#wake = wake;
      // A day at most: timers of some hosts cannot wait for ever.
      const dueMs = Math.min(nextDueMs(this.#state), clock.monotonicMs() + 86_400_000);
      await clock.sleepUntil(dueMs, wake.signal);
      if (!wake.signal.aborted) this.#step({ kind: 'time-passed' });
    }
    return this.#exitCode;
  }

  /** SIGTERM: passed on, waited for, then enforced. */
  stop(): void {
    this.#step({ kind: 'stop-asked' });
  }

  #step(event: SupervisionEvent): void {
    const nowMs = this.#options.clock.monotonicMs();
    const dueBeforeMs = nextDueMs(this.#state);
    const { policy } = this.#options;
    const { state, effects } = stepSupervision(this.#state, event, { nowMs, policy });
    this.#state = state;
    for (const effect of effects) {
      this.#effects = this.#effects.then(() => this.#perform(effect));
    }
    // A heartbeat only moves the due time away; the loop finds that out when it wakes.
    if (nextDueMs(state) < dueBeforeMs) this.#wake.abort();
  }

  async #perform(effect: SupervisionEffect): Promise<void> {
    const { log, processes } = this.#options;
    switch (effect.kind) {
      case 'write-exit':
        log.info({ event: 'child-exited', ...effect.exit }, 'The agent process ended.');
        await this.#writeExit(effect.exit);
        return;
      case 'kill-orphans':
        for (const orphan of effect.orphans) {
          log.warn({ event: 'orphan-killed', pid: orphan.pid }, 'A trial outlived the agent.');
          processes.kill(orphan);
        }
        return;
      case 'read-memory':
        await this.#readMemory(effect);
        return;
      case 'tell-child':
        this.#child?.send(effect.message);
        return;
      case 'kill-trial': {
        const { trial, reason } = effect;
        log.warn({ event: 'trial-killed', pid: trial.pid, code: reason }, 'A trial was ended.');
        processes.kill(trial);
        return;
      }
      case 'spawn-child':
        await this.#spawn(effect.previous);
        return;
      case 'signal-child':
        this.#child?.kill(effect.signal);
        return;
      case 'end':
        this.#exitCode = effect.exitCode;
        this.#wake.abort();
        return;
      default:
        unreachable(effect);
    }
  }

  async #readMemory(
    asked: Extract<SupervisionEffect, { readonly kind: 'read-memory' }>,
  ): Promise<void> {
    const { processes } = this.#options;
    const trials = await Promise.all(
      asked.trials.map(async (trial) => {
        return { trial, residentBytes: await processes.residentBytesOf(trial) };
      }),
    );
    const childBytes = asked.isChildGuarded ? await this.#child?.residentBytes() : undefined;
    this.#step({ kind: 'memory-read', reading: { trials, childBytes } });
  }

  async #spawn(previous: PreviousExit | undefined): Promise<void> {
    const { processes, program, log } = this.#options;
    const facts = previous === undefined ? [] : ['--previous-exit', previousExitText(previous)];
    // The end may be reported before `spawn` has returned; it is still the end of a child that started.
    const early: SupervisionEvent[] = [];
    let isStarted = false;
    try {
      this.#child = await processes.spawn(
        { program, arguments: [...this.#options.arguments, ...facts] },
        {
          message: (value) => {
            const message = childMessageOf(value);
            if (message !== undefined) this.#step({ kind: 'child-spoke', message });
          },
          exited: ({ code, signal }) => {
            const event: SupervisionEvent = { kind: 'child-exited', code, signal };
            if (isStarted) this.#step(event);
            else early.push(event);
          },
        },
      );
    } catch (error) {
      log.error({ event: 'spawn-refused', code: codeOf(error) }, 'The agent could not start.');
      this.#step({ kind: 'spawn-refused' });
      return;
    }
    log.info({ event: 'child-started', pid: this.#child.pid }, 'The agent process started.');
    isStarted = true;
    this.#step({ kind: 'child-started', pid: this.#child.pid });
    for (const event of early) this.#step(event);
  }

  async #readExit(): Promise<PreviousExit | undefined> {
    const { disk, log } = this.#options;
    try {
      const bytes = await disk.read(exitPath, { bytesMax: limits.supervisionBytesMax });
      const text = bytes === undefined ? undefined : textOf(bytes);
      return text === undefined ? undefined : previousExitOf(text);
    } catch (error) {
      log.error({ event: 'exit-unreadable', code: codeOf(error) }, 'The crash count starts anew.');
      return undefined;
    }
  }

  /** A full disk must not keep the agent down: the count then lives as long as this process. */
  async #writeExit(exit: PreviousExit): Promise<void> {
    const { disk, log } = this.#options;
    try {
      await disk.replace(exitPath, utf8(previousExitText(exit)));
    } catch (error) {
      log.error(
        { event: 'exit-unwritten', code: codeOf(error) },
        'The crash count is not durable.',
      );
    }
  }
}
