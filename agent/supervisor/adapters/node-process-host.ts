import { fork, type ChildProcess as NodeChildProcess } from 'node:child_process';
import { birthOf, residentBytesOf } from '../../../shared/adapters/proc-file.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import type {
  ChildProcess,
  ProcessHost,
  ProcessIdentity,
  ProcessListener,
} from '../../../shared/ports/process-host.ts';

export interface SmallProcess {
  readonly nodeFlags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** With which Node ends when it does not know one of its flags (nodejs.org/api/process.html, "Exit codes"). */
const invalidArgument = 9;

/**
 * ProcessHost over child_process. `programs` maps the names that may be spawned to built files; `small` keeps a
 * child's memory small. Flags that this Node refuses are left out from the next start on: small is a wish, running is
 * not.
 */
export function createNodeProcessHost(
  programs: ReadonlyMap<string, URL>,
  small: SmallProcess = { nodeFlags: [], environment: {} },
): ProcessHost {
  let { nodeFlags } = small;
  return {
    spawn: async (options, listener) => {
      const file = programs.get(options.program);
      if (file === undefined) {
        throw new OperatingError('spawn-failed', `${options.program} is not a known program`);
      }
      const child = fork(file, [...options.arguments], {
        // Never this process's own flags, a debugger's port among them.
        execArgv: [...nodeFlags],
        // What the owner has set wins.
        env: { ...small.environment, ...process.env },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      await spawned(child);
      let isHeard = false;
      child.on('message', (message) => {
        isHeard = true;
        listener.message(message);
      });
      child.once('exit', (code) => {
        if (code === invalidArgument && !isHeard) nodeFlags = [];
      });
      reportEnd(child, listener);
      // A send to a child that is just ending; its exit is the news.
      child.on('error', () => undefined);
      return childProcess(child);
    },
    kill: (identity) => {
      if (isAlive(identity)) killQuietly(identity);
    },
    residentBytesOf: async (identity) => {
      const bytes = residentBytesOf(identity.pid);
      // Looked at afterwards: the pid may have changed hands while its memory was read.
      return isAlive(identity) ? bytes : undefined;
    },
  };
}

function spawned(child: NodeChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve());
    child.once('error', (cause) =>
      reject(new OperatingError('spawn-failed', 'the agent could not be started', { cause })),
    );
  });
}

/** Longest wait for a dead child's last messages, should some other process hold its channel open. */
const lastMessagesMs = 1_000;

/** `close` comes after the channel was read to its end, so that no message is heard after the exit. */
function reportEnd(child: NodeChildProcess, listener: ProcessListener): void {
  let isReported = false;
  const report = (code: number | null, signal: string | null): void => {
    if (!isReported) listener.exited({ code, signal });
    isReported = true;
  };
  child.once('close', report);
  child.once('exit', (code, signal) => {
    setTimeout(report, lastMessagesMs, code, signal).unref();
  });
}

function childProcess(child: NodeChildProcess): ChildProcess {
  const pid = child.pid ?? 0;
  return {
    pid,
    send: (message) => {
      if (child.connected) child.send(message as object);
    },
    kill: (signal) => {
      child.kill(signal);
    },
    residentBytes: async () => residentBytesOf(pid),
  };
}

const isAlive = ({ pid, birth }: ProcessIdentity): boolean => birthOf(pid) === birth;

/** It may end between the look and the kill. */
function killQuietly({ pid }: ProcessIdentity): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: gone, which is what was wanted.
  }
}
