import type { ProcessIdentity } from '../../shared/ports/process-host.ts';
import type { ChildMessage } from '../supervisor/core/child-message.ts';
import { type PreviousExit, previousExitOf } from '../supervisor/core/previous-exit.ts';

/** The agent's end of the line to its supervisor. */
export interface SupervisorLink {
  /** How the process before this one ended; `undefined` at the first start, or without a supervisor. */
  readonly previousExit: PreviousExit | undefined;
  /**
   * Ends this process by SIGKILL because a native call hangs in `slot`. Call it after the verdict is durable. Without a
   * supervisor this process kills itself, which its control thread can: the hung thread is another one.
   */
  askToBeKilled(blame: { readonly slot: string; readonly code: string }): void;
  trialStarted(trial: ProcessIdentity): void;
  trialEnded(trial: ProcessIdentity): void;
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

  const at = options.arguments.indexOf('--previous-exit');
  return {
    previousExit: at < 0 ? undefined : previousExitOf(options.arguments[at + 1] ?? ''),
    askToBeKilled: ({ slot, code }) => {
      if (isSupervised) say({ kind: 'kill-me', slot, code });
      else die();
    },
    trialStarted: (trial) => say({ kind: 'trial-started', trial }),
    trialEnded: (trial) => say({ kind: 'trial-ended', trial }),
    close: () => {
      clearInterval(beat);
      process.off('disconnect', orphaned);
      if (process.connected) process.disconnect();
    },
  };
}
