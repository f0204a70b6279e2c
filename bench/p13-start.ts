import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { residentBytesOf } from '../shared/adapters/proc-file.ts';
import { printFigure, quantile } from './figure.ts';

/**
 * P13: process start to first inference, and resident memory idle, of the runtime port in a worker against a bare Node
 * process that loads the same model; and of the supervisor. The agent around the port comes on top.
 * Run the built file: `node dist/bench/p13-start.js`. Each role below is this file in a child process.
 */
const width = 512;
const rounds = 7;
const settleMs = 1_500;
const [role = 'bench', argument = ''] = process.argv.slice(2);

const roles: Readonly<Record<string, (argument: string) => Promise<void>>> = {
  bench,
  bare,
  port,
  supervisor,
  agent,
};
await roles[role]?.(argument);

async function bare(graphPath: string): Promise<void> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(graphPath, { intraOpNumThreads: 1 });
  await session.run({ x: new Tensor('float32', new Float32Array(width), [1, width]) });
  announce();
}

async function port(graphPath: string): Promise<void> {
  const { createOnnxRuntime } = await import('../shared/runtime/onnx-runtime.ts');
  const session = await createOnnxRuntime().open({
    model: { kind: 'slot', graphPath },
    host: 'worker',
    limits: {
      loadTimeoutMs: 60_000,
      runTimeoutMs: 60_000,
      memoryBytesMax: 4_294_967_296,
      queueMax: 4,
    },
    options: { provider: 'cpu', threads: 1, graphOptimization: 'all' },
  });
  const bytes = new Uint8Array(4 * width);
  await session.run(new Map([['x', { type: 'float32', shape: [1, width], bytes }]]));
  announce();
}

async function supervisor(stateFolder: string): Promise<void> {
  const { supervise } = await import('../agent/supervisor/main.ts');
  setTimeout(announce, 500);
  const program = new URL(import.meta.url);
  process.exit(await supervise({ program, arguments: ['agent'], stateFolder }));
}

async function agent(): Promise<void> {
  const { createSupervisorLink } = await import('../agent/adapters/supervisor-link.ts');
  const link = createSupervisorLink({ heartbeatMs: 1_000, arguments: [] });
  const idle = setInterval(() => undefined, 1_000);
  process.once('SIGTERM', () => {
    clearInterval(idle);
    link.close();
  });
}

function announce(): void {
  process.send?.('ready');
  setInterval(() => undefined, 1_000);
}

async function bench(): Promise<void> {
  const { denseModel } = await import('./dense-model.ts');
  const folder = mkdtempSync(join(tmpdir(), 'skein-p13-'));
  const graphPath = join(folder, 'graph.onnx');
  writeFileSync(graphPath, denseModel(10, width));
  const bareRuns: Started[] = [];
  const portRuns: Started[] = [];
  for (let round = 0; round < rounds; round += 1) {
    bareRuns.push(await start('bare', graphPath));
    portRuns.push(await start('port', graphPath));
  }
  compare('P13 start to first inference', { unit: 'ms', goal: '<= 1.5 x' }, [
    bareRuns.map(({ tookMs }) => tookMs),
    portRuns.map(({ tookMs }) => tookMs),
  ]);
  compare('P13 resident memory idle', { unit: 'MiB', goal: '<= 1.4 x' }, [
    bareRuns.map(({ residentMiB }) => residentMiB),
    portRuns.map(({ residentMiB }) => residentMiB),
  ]);
  const supervisors = [await start('supervisor', folder), await start('supervisor', folder)];
  const residentMiB = quantile(
    supervisors.map((started) => started.residentMiB),
    0.5,
  );
  printFigure({
    name: 'P13 supervisor resident memory',
    value: residentMiB,
    unit: 'MiB',
    against: 'its limit of 45 MB',
    ratio: (residentMiB * 1.048_576) / 45,
    goal: '<= 45 MB',
  });
  rmSync(folder, { recursive: true });
}

function compare(
  name: string,
  { unit, goal }: { readonly unit: string; readonly goal: string },
  [bareValues, values]: readonly [readonly number[], readonly number[]],
): void {
  const peer = quantile(bareValues, 0.5);
  const value = quantile(values, 0.5);
  const against = `bare Node process ${peer.toFixed(1)} ${unit}`;
  printFigure({ name, value, unit, against, ratio: value / peer, goal });
}

interface Started {
  readonly tookMs: number;
  readonly residentMiB: number;
}

async function start(childRole: string, childArgument: string): Promise<Started> {
  const startedMs = performance.now();
  const child = fork(fileURLToPath(import.meta.url), [childRole, childArgument], {
    stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
  });
  await new Promise((resolve) => child.once('message', resolve));
  const tookMs = performance.now() - startedMs;
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  const residentMiB = (residentBytesOf(child.pid ?? 0) ?? 0) / 1_048_576;
  await end(child);
  return { tookMs, residentMiB };
}

/** A supervisor ends its own child when asked; the others are simply killed. */
async function end(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await gone;
  clearTimeout(patience);
}
