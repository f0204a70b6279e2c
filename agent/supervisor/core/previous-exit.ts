/** How the agent's last process ended, as its successor is told: the successor counts it against the slot it ran. */
export interface PreviousExit {
  readonly reason: ExitReason;
  readonly code: number | null;
  readonly signal: string | null;
  /** With reason `hang` or `memory-limit`: slot and failure code that the child named before it asked to be killed. */
  readonly slot?: string;
  readonly blame?: string;
  /** Crashes within the crash window, this one included. */
  readonly crashesInWindow: number;
}

export type ExitReason = (typeof exitReasons)[number];

const exitReasons = [
  /** Exit code 0. */
  'clean',
  /** The supervisor was asked to stop. */
  'stopped',
  /** Another exit code, or a signal that a fault raises. */
  'crash',
  /** SIGKILL from somebody else, most often the kernel out of memory. */
  'killed',
  'hang',
  'heartbeat-missed',
  /** The supervisor's own kill; without a slot nobody knows which model took the memory. */
  'memory-limit',
  /** The operating system refused the process. */
  'spawn-failed',
] as const;

/** What the supervisor keeps on disk, and what the child gets: one JSON text. */
export function previousExitText(exit: PreviousExit): string {
  return JSON.stringify(exit);
}

/** `undefined` for whatever this release did not write: the count then starts anew, and nothing else is lost. */
export function previousExitOf(text: string): PreviousExit | undefined {
  const value = jsonOf(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const { reason, code, signal, slot, blame, crashesInWindow } = value as Record<string, unknown>;
  const known = exitReasons.find((candidate) => candidate === reason);
  if (known === undefined) return undefined;
  if (!Number.isSafeInteger(crashesInWindow) || Number(crashesInWindow) < 0) return undefined;
  return {
    reason: known,
    code: typeof code === 'number' ? code : null,
    signal: typeof signal === 'string' ? signal : null,
    ...(typeof slot === 'string' ? { slot } : {}),
    ...(typeof blame === 'string' ? { blame } : {}),
    crashesInWindow: Number(crashesInWindow),
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
