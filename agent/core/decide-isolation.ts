import { limits } from '../../shared/contracts/limits.ts';

/** How the agent's process before this one ended, as far as it matters here. */
export interface EndOfProcess {
  readonly reason: string;
  readonly crashesInWindow: number;
  /** The model that was found to be at fault; a verdict against it is durable. */
  readonly slot?: string;
}

/** Ends that name no slot: a hang is not among them, because its verdict was durable before the kill. */
const nameless: readonly string[] = ['crash', 'killed', 'heartbeat-missed'];

/**
 * Whether every session gets a process of its own in this boot. A native fault in a worker takes
 * the whole agent down and
 * names nobody; in processes the guilty model loses only its own host, is counted, and is judged.
 */
export function decideIsolation(
  asked: 'worker' | 'process',
  previous: EndOfProcess | undefined,
): 'worker' | 'process' {
  if (asked === 'process' || previous === undefined) return asked;
  // Threads share their memory: who took it shows only when each model has a limit of its own.
  if (previous.reason === 'memory-limit' && previous.slot === undefined) return 'process';
  const isCrashing = previous.crashesInWindow >= limits.crashesToIsolate;
  return isCrashing && nameless.includes(previous.reason) ? 'process' : 'worker';
}
