import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filetypeName } from '../../../firmware-bundles/zoo/filetype/bundle.ts';
import { builtFile } from '../../../shared/adapters/built-file.ts';
import type { DeviceId, FleetId } from '../../../shared/core/ids.ts';
import { enrol } from '../../agent/enrol.ts';
import { SeenDevice } from './seen-device.ts';

export interface DaemonPlan {
  readonly id: DeviceId;
  /** Absolute paths of the files it replays. */
  readonly files: readonly string[];
}

export interface DaemonsOptions {
  readonly fleet: FleetId;
  readonly enrolment: string;
  readonly folder: string;
  readonly plans: readonly DaemonPlan[];
}

const windowMs = 1_000;
const perSecond = 25;
const endMsMax = 5_000;

/**
 * Devices as an owner runs them: `skein agent run`, a supervisor and its child, with state, inference and self-tests
 * of their own. The play sees of them what the server sees.
 */
export class Daemons {
  readonly devices: readonly SeenDevice[];
  readonly #options: DaemonsOptions;
  readonly #processes: ChildProcess[] = [];

  constructor(options: DaemonsOptions) {
    this.#options = options;
    this.devices = options.plans.map(({ id }) => new SeenDevice(id));
  }

  /** Enrols and starts each. Resolves when the processes run, not when they are connected. */
  async start(): Promise<void> {
    for (const plan of this.#options.plans) await this.#start(plan);
  }

  /** Ends them as a machine does that goes down: first asked, then not. */
  async close(): Promise<void> {
    await Promise.all(this.#processes.map(endProcess));
  }

  async #start({ id, files }: DaemonPlan): Promise<void> {
    const { fleet, enrolment, folder } = this.#options;
    const own = join(folder, id);
    const state = join(own, 'state');
    await mkdir(own, { recursive: true });
    await enrol({ text: enrolment, state, fleet, device: id, insecurePlaintext: false });
    const list = join(own, 'files.txt');
    const config = join(own, 'agent.json');
    await writeFile(list, `${files.join('\n')}\n`);
    const replay = { kind: 'replay', app: filetypeName, list, perSecond, labels: 'extension' };
    await writeFile(config, JSON.stringify({ windowMs, logLevel: 'warn', inputs: [replay] }));
    const log = openSync(join(own, 'agent.log'), 'a');
    const program = builtFile(import.meta.url, '../../skein.ts').pathname;
    const args = [program, 'agent', 'run', '--state', state, '--config', config];
    this.#processes.push(spawn(process.execPath, args, { stdio: ['ignore', log, log] }));
    closeSync(log);
  }
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), endMsMax);
  await ended;
  clearTimeout(force);
}
