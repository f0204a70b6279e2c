import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openStateDisk } from '../../agent/adapters/state-folder.ts';
import { readDeviceStatus } from '../../agent/runner/device-status.ts';
import { runSkein } from '../../cli/program.ts';
import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { concatBytes } from '../../shared/core/bytes.ts';
import type { DeviceId } from '../../shared/core/ids.ts';
import { field, tinyModel } from '../../shared/runtime/graph-bytes.ts';
import { DeviceWorld, doubler, doublerBundle, worldFleet } from './device-world.ts';

const parentFile = fileURLToPath(new URL('./supervised-agent.mjs', import.meta.url));
const killPoints = new URL('./kill-points.mjs', import.meta.url).href;
/** Each kill stands alone: no waiting between starts, and no memory of the ones before. */
const policy = { restartDelayMs: 10, restartDelayMsMax: 10, crashWindowMs: 1 };
/** `doc_string` of an ONNX model: another text is another blob that computes the same. */
const docString = 6;
const device = 'edge-1' as DeviceId;
/** A loaded machine takes long to start a process; this only ends what would never end. */
const patienceMs = 120_000;

/** `y = 2 x` whose graph is a blob of its own in each version. */
const release = (number: number): PackedBundle =>
  doublerBundle(
    versionOf(number),
    concatBytes([tinyModel(), field(docString, `release ${number}`)]),
  );
export const versionOf = (number: number): string => `1.0.${number}`;

/** The built agent under the built supervisor, a real server, real files; and a plan by which it is killed. */
export class KilledAgent {
  readonly #folder: string;
  readonly #world: DeviceWorld;
  readonly #bundles: readonly PackedBundle[];
  #supervisor: ChildProcess | undefined;
  #log = '';

  private constructor(folder: string, world: DeviceWorld, bundles: readonly PackedBundle[]) {
    this.#folder = folder;
    this.#world = world;
    this.#bundles = bundles;
  }

  /** Enrolled and running `1.0.0`. */
  static async open(releases: number): Promise<KilledAgent> {
    const folder = await mkdtemp(join(tmpdir(), 'skein-killed-'));
    const bundles = Array.from({ length: releases }, (_, number) => release(number));
    const agent = new KilledAgent(folder, await DeviceWorld.open(bundles), bundles);
    await mkdir(agent.#path('kills'));
    await writeFile(agent.#path('token'), 'let-me-in\n');
    const enrol = ['agent', 'enrol', agent.#world.enrolment, '--state', agent.#path('state')];
    const said: string[] = [];
    const say = (text: string): void => void said.push(text);
    const code = await runSkein([...enrol, '--fleet', worldFleet, '--device', device], {
      out: say,
      err: say,
    });
    if (code !== 0) throw new Error(said.join(''));
    agent.#start();
    try {
      await agent.rollOut(0);
      await agent.converge(0);
      return agent;
    } catch (error) {
      await agent.close();
      throw error;
    }
  }

  /** Orders release `number`; with `kills`, such as `before link graph.onnx`, in the order they are to fire. */
  async rollOut(number: number, kills: readonly string[] = []): Promise<void> {
    for (const name of ['hits', 'allowed', 'steps']) await this.#write(name, []);
    await this.#write('plan', kills);
    const bundle = this.#bundles[number];
    if (bundle === undefined) throw new Error(`there is no release ${number}`);
    await this.#world.rollOut(bundle);
  }

  /** Lets the next planned kill fire and waits until the process is gone. */
  async dieAsPlanned(): Promise<void> {
    const before = (await this.#read('hits')).length;
    await appendFile(this.#path('kills/allowed'), 'go\n');
    const [due] = (await this.#read('plan')).slice(before);
    await this.#until(async () => {
      // A trial commits only upon answers.
      await this.#ask();
      return (await this.#read('hits')).length > before;
    }, [due]);
  }

  /** Forgets the steps seen so far. */
  rest(): Promise<void> {
    return this.#write('steps', []);
  }

  /** Feeds inputs until a window and a report have left. */
  async speak(): Promise<void> {
    const said = ['write outbox record', 'send report'];
    await this.#until(async () => {
      await this.#ask();
      const steps = await this.#read('steps');
      return said.every((step) => steps.includes(step));
    }, said);
  }

  /** SIGKILL at whatever instant this is. */
  async dieNow(): Promise<void> {
    const pid = await this.#childPid();
    if (pid > 0) process.kill(pid, 'SIGKILL');
  }

  /** Version that answers the first live input that is answered at all, once a new process is up. */
  async firstAnswer(diedAt: number): Promise<string> {
    let version: string | undefined;
    await this.#until(async () => {
      version = this.starts > diedAt ? await this.#ask() : undefined;
      return version !== undefined;
    }, ['a first answer']);
    return version ?? 'none';
  }

  /** Feeds inputs until release `number` is committed, answers, and the server has been told. */
  async converge(number: number): Promise<void> {
    const version = versionOf(number);
    await this.#until(async () => {
      const answers = (await this.#ask()) === version;
      return answers && (await this.#isCommitted(version)) && this.#isReported(number);
    }, [`release ${version}`, await this.#status()]);
  }

  /** Doors opened so far: one per life of the agent. */
  get starts(): number {
    return this.#log.split('"door-opened"').length - 1;
  }

  /** Steps since the last order, in order. */
  steps(): Promise<readonly string[]> {
    return this.#read('steps');
  }

  /** In whatever state it is: afterwards no process that it started is left, and no file. */
  async close(): Promise<void> {
    const supervisor = this.#supervisor;
    if (supervisor?.exitCode === null && supervisor.signalCode === null) {
      const gone = once(supervisor, 'exit');
      supervisor.kill('SIGTERM');
      const late = setTimeout(() => supervisor.kill('SIGKILL'), patienceMs / 4);
      await gone;
      clearTimeout(late);
    }
    // A supervisor that died by itself has left its child to nobody, who is known by the folder it was started with.
    let left = await startedFor(this.#path('kills'));
    for (const pid of left) killQuietly(pid);
    while (left.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      left = await startedFor(this.#path('kills'));
    }
    await this.#world.close();
    await rm(this.#folder, { recursive: true });
  }

  #start(): void {
    const settings = {
      // With a cap the byte account is written at each download, which is one more place to die.
      'policy.monthlyBytesMax': '1000000000',
      'serving.listen': '127.0.0.1:0',
      'serving.tokenFile': this.#path('token'),
      windowMs: '500',
    };
    const set = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    const supervisor = spawn(
      process.execPath,
      [parentFile, this.#path('state'), JSON.stringify(policy), ...set],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          ...process.env,
          NODE_OPTIONS: `--import ${killPoints}`,
          SKEIN_KILL_FOLDER: this.#path('kills'),
        },
      },
    );
    supervisor.stderr.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
    this.#supervisor = supervisor;
  }

  async #ask(): Promise<string | undefined> {
    const port = Number(/.*"door-opened".*"port":([0-9]+)/s.exec(this.#log)?.[1] ?? 0);
    if (port === 0) return undefined;
    const response = await fetch(`http://127.0.0.1:${port}/v2/models/doubler/infer`, {
      method: 'POST',
      headers: { authorization: 'Bearer let-me-in' },
      body: JSON.stringify({
        inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [3, -1] }],
      }),
    }).catch(() => undefined);
    if (response?.status !== 200) return undefined;
    const answer = (await response.json().catch(() => undefined)) as Answer | undefined;
    // A wrong number would be a broken model, whatever its version.
    return answer?.outputs[0]?.data.join() === '6,-2' ? answer.model_version : undefined;
  }

  async #status(): Promise<string> {
    const status = await readDeviceStatus(openStateDisk(this.#path('state')));
    return JSON.stringify(status?.apps);
  }

  async #isCommitted(version: string): Promise<boolean> {
    const status = await readDeviceStatus(openStateDisk(this.#path('state')));
    const [app] = status?.apps ?? [];
    const path = `bundles/doubler@${version}`;
    return app?.wanted === path && app.committed === path && app.phase === 'committed';
  }

  async #isReported(number: number): Promise<boolean> {
    const known = await this.#known();
    return known?.active === this.#bundles[number]?.digest && known?.phase === 'committed';
  }

  /** What the server has been told. */
  #known() {
    return this.#world.store.read((view) => view.deviceApps.get(worldFleet, device, doubler));
  }

  async #explain(): Promise<readonly string[]> {
    const row = await this.#world.store.read((view) => view.devices.get(worldFleet, device));
    const memory = await readFile(this.#path('state/state/memory.json'), 'utf8').catch(() => '');
    const steps = (await this.#read('steps')).filter((step) => step !== 'write outbox record');
    return [
      await this.#status(),
      JSON.stringify(await this.#known()),
      `reported ${row?.reportedNumber ?? 0}, online ${row?.online ?? false}, ${memory}`,
      steps.slice(-12).join('; '),
    ];
  }

  async #childPid(): Promise<number> {
    const pid = this.#supervisor?.pid ?? 0;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return Number(children.trim().split(' ')[0]);
  }

  async #until(
    isTrue: () => Promise<boolean>,
    waitingFor: readonly (string | undefined)[],
  ): Promise<void> {
    const giveUpAt = performance.now() + patienceMs;
    while (!(await isTrue())) {
      const isDead = this.#supervisor?.exitCode !== null && this.#supervisor !== undefined;
      if (isDead || performance.now() > giveUpAt) {
        throw new Error(
          [
            `waited for ${waitingFor.join(' ')}`,
            ...(await this.#explain()),
            ...this.#newestLog(),
          ].join('\n'),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Without the refusals of inputs that came too early. */
  #newestLog(): readonly string[] {
    const lines = this.#log.split('\n').filter((line) => !line.includes('"request-failed"'));
    return lines.slice(-20).map((line) => line.slice(0, 400));
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  async #read(name: string): Promise<readonly string[]> {
    const text = await readFile(this.#path(`kills/${name}`), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  async #write(name: string, lines: readonly string[]): Promise<void> {
    await writeFile(this.#path(`kills/${name}`), lines.map((line) => `${line}\n`).join(''));
  }
}

/** Processes that carry this folder in their environment; a zombie has none any more. */
async function startedFor(folder: string): Promise<readonly number[]> {
  const mark = `SKEIN_KILL_FOLDER=${folder}\0`;
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const marked = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      return `${environment}\0`.includes(mark) ? pid : undefined;
    }),
  );
  return marked.filter((pid) => pid !== undefined);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

interface Answer {
  readonly model_version: string;
  readonly outputs: readonly { readonly data: readonly number[] }[];
}
