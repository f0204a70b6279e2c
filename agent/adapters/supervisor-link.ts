import { limits } from '../../shared/contracts/limits.ts';
import type { ProcessIdentity } from '../../shared/ports/process-host.ts';
import type { TrialObserver } from '../../shared/runtime/process/trial-observer.ts';
import type { ChildMessage } from '../supervisor/core/child-message.ts';
import { type PreviousExit, previousExitOf } from '../supervisor/core/previous-exit.ts';
import {
  supervisorMessageOf,
  type TrialKillReason,
} from '../supervisor/core/supervisor-message.ts';

/** The agent's end of the line to its supervisor. */
export interface SupervisorLink {
  /** How the process before this one ended; `undefined` at the first start, or without a supervisor. */
  readonly previousExit: PreviousExit | undefined;
  /**
   * Ends this process by SIGKILL because a native call hangs in `slot`, or because it leaks. Call it after the
   * verdict is durable. Without a supervisor this process kills itself, which its control thread can: the hung
   * thread is another one.
   */
  askToBeKilled(blame: { readonly slot: string; readonly code: string }): void;
  /** The supervisor as the one who judges and kills trials while this process cannot. */
  readonly trials: TrialObserver;
  /**
   * Lets the supervisor end this process when it holds more resident bytes. `exceeded` is called a moment before:
   * what is to be written down must be written now.
   */
  guardMemory(bytesMax: number, exceeded: () => void): void;
  /** Ends the heartbeat; the supervisor then waits for the exit. */
  close(): void;
}

export interface SupervisorLinkOptions {
  readonly heartbeatMs: number;
  /** This process's arguments: the supervisor appends `--previous-exit <json>`. */
  readonly arguments: readonly string[];
}

/** Starts the heartbeat from the control thread: while that thread is blocked, none is sent, which is the point. */
export function createSupervisorLink(options: SupervisorLinkOptions): SupervisorLink {
  const isSupervised = process.send !== undefined;
  const say = (message: ChildMessage): void => {
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  };
  const die = (): void => void process.kill(process.pid, 'SIGKILL');

  // `process.exit` would wait for a hung worker, and two agents on one device must not live.
  const orphaned = (): void => die();
  if (isSupervised) process.once('disconnect', orphaned);
  say({ kind: 'heartbeat' });
  const beat = setInterval(() => say({ kind: 'heartbeat' }), options.heartbeatMs);
  beat.unref();

  const killed = new Map<string, TrialKillReason>();
  const nameOf = ({ pid, birth }: ProcessIdentity): string => `${pid}/${birth}`;
  let exceeded = (): void => undefined;
  const hear = (value: unknown): void => {
    const message = supervisorMessageOf(value);
    if (message?.kind === 'memory-exceeded') exceeded();
    if (message?.kind !== 'trial-killed') return;
    killed.set(nameOf(message.trial), message.reason);
    const [oldest] = killed.keys();
    if (killed.size > limits.trialKillsMax && oldest !== undefined) killed.delete(oldest);
  };
  if (isSupervised) process.on('message', hear);

  const at = options.arguments.indexOf('--previous-exit');
  return {
    previousExit: at < 0 ? undefined : previousExitOf(options.arguments[at + 1] ?? ''),
    askToBeKilled: ({ slot, code }) => {
      if (isSupervised) say({ kind: 'kill-me', slot, code });
      else die();
    },
    trials: {
      started: (trial, terms) => say({ kind: 'trial-started', trial, ...terms }),
      due: (trial, dueInMs) =>
        say({ kind: 'trial-due', trial, ...(dueInMs === undefined ? {} : { dueInMs }) }),
      ended: (trial) => say({ kind: 'trial-ended', trial }),
      killedFor: (trial) => killed.get(nameOf(trial)),
    },
    guardMemory: (bytesMax, hearExceeded) => {
      exceeded = hearExceeded;
      say({ kind: 'guard-memory', bytesMax });
    },
    close: () => {
      clearInterval(beat);
      process.off('disconnect', orphaned);
      process.off('message', hear);
      if (process.connected) process.disconnect();
    },
  };
}
