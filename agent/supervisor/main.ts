import { mkdirSync } from 'node:fs';
import { systemClock } from '../../shared/adapters/clock/system-clock.ts';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { createLineLog } from './adapters/line-log.ts';
import { createNodeProcessHost } from './adapters/node-process-host.ts';
import { smallHeap } from './adapters/small-heap.ts';
import { type SupervisionPolicy, supervisionPolicy } from './core/supervision-policy.ts';
import { Supervisor } from './runner/supervisor.ts';

export interface SuperviseOptions {
  /** Built file of the agent's child process. */
  readonly program: URL;
  /** Handed to the child as they are, followed by `--previous-exit <json>` from the second start on. */
  readonly arguments: readonly string[];
  /** Absolute path of the supervisor's own folder; created when absent. */
  readonly stateFolder: string;
  readonly policy?: Partial<SupervisionPolicy>;
}

/** Composes and runs the supervisor in this process; resolves with the exit code. */
export async function supervise(options: SuperviseOptions): Promise<number> {
  mkdirSync(options.stateFolder, { recursive: true, mode: 0o700 });
  const supervisor = new Supervisor({
    processes: createNodeProcessHost(new Map([['agent', options.program]]), smallHeap),
    clock: systemClock,
    disk: new NodeDisk({
      root: options.stateFolder,
      // The page cache can no longer be believed; the service manager starts us again.
      onFsyncFailure: () => process.abort(),
    }),
    log: createLineLog('supervisor'),
    policy: { ...supervisionPolicy, ...options.policy },
    program: 'agent',
    arguments: options.arguments,
  });
  const stop = (): void => supervisor.stop();
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  try {
    return await supervisor.run();
  } finally {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
  }
}
