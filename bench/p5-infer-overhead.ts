import { performance } from 'node:perf_hooks';
import { InferenceSession as BareSession, Tensor as BareTensor } from 'onnxruntime-node';
import type { InferenceSession, Tensor } from '../shared/ports/inference-runtime.ts';
import { createOnnxRuntime } from '../shared/runtime/onnx-runtime.ts';
import { denseModel } from './dense-model.ts';
import { printFigure, quantile } from './figure.ts';

/**
 * P5: a run through the runtime port (worker, validation, queue, deadline) over a bare
 * `session.run` on the same thread.
 * Both run on one native thread, so that no difference in spinning is measured. Blocks alternate:
 * both see the same noise.
 */
interface Case {
  readonly label: string;
  readonly layers: number;
  readonly width: number;
  readonly batch: number;
  readonly runs: number;
}

const cases: readonly Case[] = [
  { label: 'tiny, 256 B', layers: 1, width: 64, batch: 1, runs: 400 },
  { label: '1 MiB in, 1 MiB out', layers: 1, width: 64, batch: 4096, runs: 60 },
  { label: 'some ms', layers: 12, width: 512, batch: 32, runs: 40 },
];
const blocks = 8;

for (const one of cases) {
  const graph = denseModel(one.layers, one.width);
  const bare = await BareSession.create(graph, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  const session = await createOnnxRuntime().open({
    model: { kind: 'memory', graph, tensors: new Map() },
    host: 'worker',
    limits: {
      loadTimeoutMs: 60_000,
      runTimeoutMs: 60_000,
      memoryBytesMax: 4_294_967_296,
      queueMax: 64,
    },
    options: { provider: 'cpu', threads: 1, graphOptimization: 'all' },
  });
  await measure(one, bare, session);
  await session.close();
}

async function measure(one: Case, bare: BareSession, session: InferenceSession): Promise<void> {
  const shape = [one.batch, one.width];
  const fresh = (): Float32Array<ArrayBuffer> => new Float32Array(one.batch * one.width).fill(0.5);
  const runBare = async (): Promise<unknown> =>
    bare.run({ x: new BareTensor('float32', fresh(), shape) });
  const tensor = (): Tensor => ({
    type: 'float32',
    shape,
    bytes: new Uint8Array(fresh().buffer),
  });
  const runPort = async (): Promise<unknown> => session.run(new Map([['x', tensor()]]));
  await latencies(runBare, one.runs);
  await latencies(runPort, one.runs);
  const bareMs: number[] = [];
  const portMs: number[] = [];
  const throughputs: number[] = [];
  for (let block = 0; block < blocks; block += 1) {
    bareMs.push(...(await latencies(runBare, one.runs)));
    portMs.push(...(await latencies(runPort, one.runs)));
    throughputs.push(
      (await perSecond(runPort, one.runs, 4)) / (await perSecond(runBare, one.runs, 1)),
    );
  }
  const bareP50 = quantile(bareMs, 0.5);
  const portP50 = quantile(portMs, 0.5);
  printFigure({
    name: `P5 port overhead p50 (${one.label})`,
    value: 1000 * (portP50 - bareP50),
    unit: 'us',
    against: `bare run p50 ${(1000 * bareP50).toFixed(0)} us`,
    ratio: portP50 / bareP50,
    goal: '<= 150 us, without the agent monitor',
  });
  printFigure({
    name: `P5 port throughput (${one.label})`,
    value: quantile(throughputs, 0.5),
    unit: 'runs per bare run',
    against: 'bare runs one after another; 4 callers on the port',
    ratio: quantile(throughputs, 0.5),
    goal: '>= 0.95 for models of >= 1 ms',
  });
}

async function latencies(run: () => Promise<unknown>, runs: number): Promise<number[]> {
  const tookMs: number[] = [];
  for (let index = 0; index < runs; index += 1) {
    const startedMs = performance.now();
    await run();
    tookMs.push(performance.now() - startedMs);
  }
  return tookMs;
}

async function perSecond(
  run: () => Promise<unknown>,
  runs: number,
  callers: number,
): Promise<number> {
  const startedMs = performance.now();
  const call = async (): Promise<void> => {
    for (let index = 0; index < runs / callers; index += 1) await run();
  };
  await Promise.all(Array.from({ length: callers }, call));
  return (1000 * runs) / (performance.now() - startedMs);
}
