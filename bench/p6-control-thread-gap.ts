import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { InferenceSession } from '../shared/ports/inference-runtime.ts';
import { createOnnxRuntime } from '../shared/runtime/onnx-runtime.ts';
import { denseModel } from './dense-model.ts';
import { printFigure, quantile } from './figure.ts';

/** P6: how late a 1 ms timer of the control thread fires while one worker per core runs inference without a pause. */
const secondsEach = 6;
const batch = 64;
const width = 512;

const idleMs = await timerGaps(secondsEach * 1000);
const sessions = await Promise.all(
  Array.from({ length: availableParallelism() }, () =>
    createOnnxRuntime().open({
      model: { kind: 'memory', graph: denseModel(8, width), tensors: new Map() },
      host: 'worker',
      limits: {
        loadTimeoutMs: 60_000,
        runTimeoutMs: 60_000,
        memoryBytesMax: 4_294_967_296,
        queueMax: 4,
      },
      options: { provider: 'cpu', threads: 1, graphOptimization: 'all' },
    }),
  ),
);
let isSaturating = true;
let runs = 0;
const loads = sessions.flatMap((session) => [saturate(session), saturate(session)]);
const busyMs = await timerGaps(secondsEach * 1000);
isSaturating = false;
await Promise.all(loads);
await Promise.all(sessions.map((session) => session.close()));

for (const [label, share] of [
  ['p50', 0.5],
  ['p99', 0.99],
  ['worst', 1],
] as const) {
  const idle = quantile(idleMs, share);
  const busy = quantile(busyMs, share);
  printFigure({
    name: `P6 control thread timer gap ${label}`,
    value: busy,
    unit: 'ms',
    against: `idle ${idle.toFixed(2)} ms; ${sessions.length} workers, ${runs} runs in ${secondsEach} s`,
    ratio: busy / idle,
    goal: label === 'p99' ? '<= 10 ms' : 'none',
  });
}

async function saturate(session: InferenceSession): Promise<void> {
  while (isSaturating) {
    const bytes = new Uint8Array(4 * batch * width);
    await session.run(new Map([['x', { type: 'float32', shape: [batch, width], bytes }]]));
    runs += 1;
  }
}

/** Milliseconds between consecutive firings of a 1 ms timer. */
async function timerGaps(durationMs: number): Promise<number[]> {
  const gapsMs: number[] = [];
  const endMs = performance.now() + durationMs;
  let beforeMs = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const nowMs = performance.now();
      gapsMs.push(nowMs - beforeMs);
      beforeMs = nowMs;
      if (nowMs < endMs) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  return gapsMs;
}
