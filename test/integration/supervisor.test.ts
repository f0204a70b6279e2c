import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { birthOf } from '../../shared/adapters/proc-file.ts';
import { fillModel, loopModel } from '../support/onnx-graphs.ts';

const parentFile = fileURLToPath(new URL('../support/supervising-parent.mjs', import.meta.url));
const policy = { heartbeatTimeoutMs: 3_000, restartDelayMs: 50, stopTimeoutMs: 1_000 };

let folder = '';
let supervisor: ChildProcess | undefined;
const journal = (): string => join(folder, 'journal');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skein-supervisor-'));
  writeFileSync(journal(), '');
  writeFileSync(join(folder, 'endless.onnx'), loopModel(4_611_686_018_427_387_904n));
  writeFileSync(join(folder, 'fill.onnx'), fillModel());
});

afterEach(() => {
  supervisor?.kill('SIGKILL');
  for (const { pid } of entries()) if (pid !== undefined) killIfAlive(pid);
  rmSync(folder, { recursive: true });
});

interface Entry {
  readonly behaviour?: string;
  readonly pid?: number;
  readonly trialPid?: number;
  readonly outcome?: string;
  readonly warned?: boolean;
  readonly previousExit?: Readonly<Record<string, unknown>>;
}

const entries = (): Entry[] =>
  readFileSync(journal(), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry);

function supervise(behaviours: string, own: object = {}): Promise<number | null> {
  const child = spawn(
    process.execPath,
    [
      parentFile,
      join(folder, 'state'),
      JSON.stringify({ ...policy, ...own }),
      journal(),
      join(folder, 'endless.onnx'),
      behaviours,
    ],
    { stdio: ['ignore', 'inherit', 'ignore'] },
  );
  supervisor = child;
  return new Promise((resolve) => child.once('exit', resolve));
}

/** The generous watchdog is the test's own timeout. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const startOf = (behaviour: string): Entry | undefined =>
  entries().find((entry) => entry.behaviour === behaviour);

const trialPidOf = (): number =>
  entries().find((entry) => entry.trialPid !== undefined)?.trialPid ?? 0;

/** Killed, and not yet reaped by a parent that is blocked. */
const isZombie = (pid: number): boolean =>
  readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z') ?? false;

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended, as it should.
  }
}

describe('the supervisor over real processes', () => {
  it('when the agent crashes and then blocks its control thread, starts it again and tells it why', async () => {
    const exit = supervise('crash,busy,serve');
    await until(() => startOf('serve') !== undefined);
    expect(startOf('crash')?.previousExit).toBeUndefined();
    expect(startOf('busy')?.previousExit).toMatchObject({
      reason: 'crash',
      code: 3,
      crashesInWindow: 1,
    });
    expect(startOf('serve')?.previousExit).toMatchObject({
      reason: 'heartbeat-missed',
      signal: 'SIGKILL',
      crashesInWindow: 2,
    });
    supervisor?.kill('SIGTERM');
    expect(await exit).toBe(0);
    const written = readFileSync(join(folder, 'state', 'supervision.json'), 'utf8');
    expect(JSON.parse(written)).toMatchObject({ reason: 'stopped', code: 0, crashesInWindow: 2 });
  });

  it('when a native call hangs in a worker, the agent is killed on its own word and its slot is named', async () => {
    const exit = supervise('hang,serve');
    await until(() => startOf('serve') !== undefined);
    expect(startOf('serve')?.previousExit).toEqual({
      reason: 'hang',
      code: null,
      signal: 'SIGKILL',
      slot: 'endless',
      blame: 'inference-timeout',
      crashesInWindow: 1,
    });
    supervisor?.kill('SIGTERM');
    expect(await exit).toBe(0);
  });

  it('when the agent dies while its trial hangs in a native call, the trial is killed', async () => {
    const exit = supervise('abandon,serve');
    await until(() => trialPidOf() > 0);
    const trialPid = trialPidOf();
    expect(birthOf(trialPid)).toBeDefined();
    await until(() => startOf('serve') !== undefined);
    await until(() => birthOf(trialPid) === undefined);
    supervisor?.kill('SIGTERM');
    expect(await exit).toBe(0);
  });

  it.each([
    ['takes more memory than it may', 'bomb', 'memory-limit'],
    ['hangs past its deadline', 'stall', 'inference-timeout'],
  ])(
    'when a trial %s while the agent is blocked, kills the trial, and the agent learns why',
    async (_case, behaviour, code) => {
      // The heartbeat is no help here: its silence is judged long after this test.
      const exit = supervise(behaviour, { heartbeatTimeoutMs: 600_000 });
      await until(() => trialPidOf() > 0);
      await until(() => birthOf(trialPidOf()) === undefined || isZombie(trialPidOf()));
      expect(entries().map((entry) => entry.behaviour ?? 'trial')).toEqual([behaviour, 'trial']);
      writeFileSync(join(folder, 'released'), '');
      await until(() => entries().some(({ outcome }) => outcome !== undefined));
      expect(entries().at(-1)).toEqual({ outcome: code });
      supervisor?.kill('SIGTERM');
      expect(await exit).toBe(0);
    },
  );

  it('when the agent itself holds more memory than its guard, warns it, kills it and tells it why', async () => {
    const exit = supervise('swell,serve');
    await until(() => startOf('serve') !== undefined);
    expect(entries()[1]).toEqual({ warned: true });
    expect(startOf('serve')?.previousExit).toEqual({
      ...{ reason: 'memory-limit', code: null, signal: 'SIGKILL', crashesInWindow: 1 },
    });
    supervisor?.kill('SIGTERM');
    expect(await exit).toBe(0);
  });

  it('when the agent is deaf to SIGTERM, kills it after its patience and ends well', async () => {
    const exit = supervise('deaf');
    await until(() => startOf('deaf') !== undefined);
    supervisor?.kill('SIGTERM');
    expect(await exit).toBe(0);
    await until(() => birthOf(startOf('deaf')?.pid ?? 0) === undefined);
  });

  it('when only a person can help, ends with the same exit code', async () => {
    expect(await supervise('hopeless')).toBe(78);
  });

  it('when the supervisor itself is killed, the agent ends too', async () => {
    void supervise('serve');
    await until(() => startOf('serve') !== undefined);
    supervisor?.kill('SIGKILL');
    await until(() => birthOf(startOf('serve')?.pid ?? 0) === undefined);
  });
});
