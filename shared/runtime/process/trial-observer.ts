import type { ProcessIdentity } from '../../ports/process-host.ts';

/** What a trial may take; durations in milliseconds. */
export interface TrialTerms {
  readonly memoryBytesMax: number;
  /** When its model must have loaded. */
  readonly dueInMs: number;
}

/** Somebody outside this process who can judge and kill a trial while nobody in here can: the supervisor. */
export interface TrialObserver {
  /** Told before the model is loaded. */
  started(trial: ProcessIdentity, terms: TrialTerms): void;
  /** Told after the process is gone. */
  ended(trial: ProcessIdentity): void;
  /** By when the call that runs must have ended; `undefined`: it has. Short calls are not told. */
  due?(trial: ProcessIdentity, dueInMs: number | undefined): void;
  /** Why the observer killed it, if it did; asked after the process is gone. */
  killedFor?(trial: ProcessIdentity): 'memory-limit' | 'inference-timeout' | undefined;
}
