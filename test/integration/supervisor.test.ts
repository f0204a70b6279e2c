import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { birthOf } from '../../shared/adapters/proc-file.ts';
import { loopModel } from '../support/onnx-graphs.ts';

const parentFile = fileURLToPath(new URL('../support/supervising-parent.mjs', import.meta.url));
const policy = { heartbeatTimeoutMs: 3_000, restartDelayMs: 50, stopTimeoutMs: 1_000 };

let folder = '';
let supervisor: ChildProcess | undefined;
const journal = (): string => join(folder, 'journal');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skein-supervisor-'));
  writeFileSync(journal(), '');
  writeFileSync(join(folder, 'endless.onnx'), loopModel(4_611_686_018_427_387_904n));
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
  readonly previousExit?: Readonly<Record<string, unknown>>;
}

const entries = (): Entry[] =>
  readFileSync(journal(), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry);

function supervise(behaviours: string): Promise<number | null> {
  const child = spawn(
    process.execPath,
    [
      parentFile,
      join(folder, 'state'),
      JSON.stringify(policy),
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
    await until(() => entries().some(({ trialPid }) => trialPid !== undefined));
    const trialPid = entries().find((entry) => entry.trialPid !== undefined)?.trialPid ?? 0;
    expect(birthOf(trialPid)).toBeDefined();
    await until(() => startOf('serve') !== undefined);
    await until(() => birthOf(trialPid) === undefined);
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
