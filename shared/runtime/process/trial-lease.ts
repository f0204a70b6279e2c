import { limits } from '../../contracts/limits.ts';

export interface TrialLeaseOptions {
  readonly runTimeoutMs: number;
  readonly monotonicMs: () => number;
  readonly tell: (dueInMs: number | undefined) => void;
}

/**
 * Tells an outsider by when the call at the host must have ended. Only a call that already takes long is told: a model
 * that answers in milliseconds costs no message, and one that hangs is known before its deadline.
 */
export class TrialLease {
  readonly #options: TrialLeaseOptions;
  #calls = 0;
  #sinceMs = 0;
  /** The load was told when the trial started. */
  #isTold = true;

  constructor(options: TrialLeaseOptions) {
    this.#options = options;
  }

  loaded(): void {
    this.#release();
  }

  sent(): void {
    this.#calls += 1;
    if (this.#calls === 1) this.#sinceMs = this.#options.monotonicMs();
  }

  /** The next one, if any, is on the clock from now on. */
  answered(): void {
    this.#calls -= 1;
    this.#sinceMs = this.#options.monotonicMs();
    this.#release();
  }

  /** Called every `memoryPollMs`. */
  look(): void {
    if (this.#isTold || this.#calls === 0) return;
    const { runTimeoutMs, monotonicMs, tell } = this.#options;
    const ranMs = monotonicMs() - this.#sinceMs;
    if (ranMs < limits.trialLongCallMs) return;
    this.#isTold = true;
    tell(Math.max(0, runTimeoutMs - ranMs) + limits.trialDeadlineGraceMs);
  }

  #release(): void {
    if (this.#isTold) this.#options.tell(undefined);
    this.#isTold = false;
  }
}
