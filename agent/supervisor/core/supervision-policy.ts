import { limits } from '../../../shared/contracts/limits.ts';

/** Durations in milliseconds. */
export interface SupervisionPolicy {
  /** From spawn to the first heartbeat: modules load slowly from an SD card. */
  readonly startGraceMs: number;
  /** Silence after which the child's control thread is taken for hung. */
  readonly heartbeatTimeoutMs: number;
  /** A judgement later than this means that the supervisor itself stood still, so the child gets one more term. */
  readonly ownLatenessMs: number;
  /** Between two looks at the memory of the child and of its trials; what they grow by in between is the overshoot. */
  readonly memoryPollMs: number;
  /** From the word that the child is over its memory limit to SIGKILL: enough to write a verdict down. */
  readonly memoryGraceMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly stopTimeoutMs: number;
  /** Crashes older than this are forgotten. */
  readonly crashWindowMs: number;
  /** Wait before the first restart; it doubles with each further crash in the window. */
  readonly restartDelayMs: number;
  readonly restartDelayMsMax: number;
  /** Exit code by which the child says that only a person can help (its configuration is invalid). */
  readonly hopelessExitCode: number;
}

export const supervisionPolicy: SupervisionPolicy = {
  startGraceMs: 60_000,
  heartbeatTimeoutMs: 10_000,
  ownLatenessMs: 2_000,
  memoryPollMs: limits.memoryPollMs,
  memoryGraceMs: 1_000,
  stopTimeoutMs: 10_000,
  crashWindowMs: 600_000,
  restartDelayMs: 250,
  restartDelayMsMax: 60_000,
  // EX_CONFIG of sysexits.h.
  hopelessExitCode: 78,
};

/**
 * Wait before the next start. It never gives up: a device whose agent crashes is reached by nobody
 * but its owner, and the
 * agent itself goes back to last-good after a few crashes of one slot.
 */
export function restartDelayMs(policy: SupervisionPolicy, crashes: number): number {
  let delayMs = policy.restartDelayMs;
  for (let crash = 1; crash < crashes && delayMs < policy.restartDelayMsMax; crash += 1) {
    delayMs *= 2;
  }
  return Math.min(delayMs, policy.restartDelayMsMax);
}
