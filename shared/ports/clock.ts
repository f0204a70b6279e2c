/** Time as an argument. Wall time may jump; monotonic time never goes back and starts anywhere. */
export interface Clock {
  /** Wall clock, milliseconds since 1970-01-01T00:00Z, as wrong as the machine's clock is. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start; deadlines and durations use this one. */
  monotonicMs(): number;
  /**
   * Resolves once `monotonicMs() >= deadlineMonotonicMs`, or early (not rejecting) when `signal` aborts.
   * The caller looks at `signal.aborted`.
   */
  sleepUntil(deadlineMonotonicMs: number, signal?: AbortSignal): Promise<void>;
}
