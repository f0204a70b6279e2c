import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { birthOf, residentBytesOf } from '../../shared/adapters/proc-file.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { ModelSource, OpenSession, Tensor } from '../../shared/ports/inference-runtime.ts';
import type { ProcessIdentity } from '../../shared/ports/process-host.ts';
import { tinyModel } from '../../shared/runtime/graph-bytes.ts';
import { createOnnxRuntime } from '../../shared/runtime/onnx-runtime.ts';
import { externalModel, fillModel } from '../support/onnx-graphs.ts';

const elements = 4096;
const weights = new Float32Array(elements).map((_, index) => index);
const weightBytes = new Uint8Array(weights.buffer);
const hosts: readonly OpenSession['host'][] = ['worker', 'process'];
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skein-runtime-'));
  writeFileSync(join(folder, 'graph.onnx'), externalModel('w', elements));
  writeFileSync(join(folder, 'w'), weightBytes);
});
afterAll(() => rmSync(folder, { recursive: true }));

const limits = {
  loadTimeoutMs: 30_000,
  runTimeoutMs: 30_000,
  memoryBytesMax: 1_073_741_824,
  queueMax: 4,
};
const request = (model: ModelSource, host: OpenSession['host']): OpenSession => ({
  model,
  host,
  limits,
  options: { provider: 'cpu', threads: 1, graphOptimization: 'all' },
});
const memory = (graph: Uint8Array): ModelSource => ({ kind: 'memory', graph, tensors: new Map() });
const x = (values: Float32Array<ArrayBuffer>): Map<string, Tensor> =>
  new Map([
    ['x', { type: 'float32', shape: [values.length], bytes: new Uint8Array(values.buffer) }],
  ]);

describe.each(hosts)('the native runtime in a %s', (host) => {
  it('when the model is a slot folder, finds the external tensors beside the graph', async () => {
    const graphPath = join(folder, 'graph.onnx');
    const session = await createOnnxRuntime().open(request({ kind: 'slot', graphPath }, host));
    const { outputs } = await session.run(x(new Float32Array(elements).fill(1)));
    const y = new Float32Array(outputs.get('y')!.bytes.slice().buffer);
    expect([y[0], y[1], y[4095]]).toEqual([1, 2, 4096]);
    await session.close();
  });

  it('when the model is in memory, takes the external tensors by their location', async () => {
    const model: ModelSource = {
      kind: 'memory',
      graph: externalModel('w', elements),
      tensors: new Map([['w', weightBytes]]),
    };
    const session = await createOnnxRuntime().open(request(model, host));
    const { outputs } = await session.run(x(new Float32Array(elements).fill(1)));
    expect(new Float32Array(outputs.get('y')!.bytes.slice().buffer)[4095]).toBe(4096);
    await session.close();
  });

  it('when a tensor of the model is missing, refuses it with model-load-failed', async () => {
    const opening = createOnnxRuntime().open(request(memory(externalModel('gone', 8)), host));
    expect(await opening.then(() => 'ok', codeOf)).toBe('model-load-failed');
  });

  it('when the caller itself stands still longer than the deadline, does not call the model hung', async () => {
    const open = request(memory(tinyModel()), host);
    const session = await createOnnxRuntime().open({
      ...open,
      limits: { ...limits, runTimeoutMs: 200 },
    });
    await session.run(x(new Float32Array(1)));
    // Small enough to be sent at once: the answer then waits, unread, while this thread stands still.
    const answer = session.run(x(new Float32Array(16)));
    blockFor(700);
    expect(await answer.then(() => 'ok', codeOf)).toBe('ok');
    await session.close();
  });
});

function blockFor(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}

describe('a trial process', () => {
  it('is announced before it loads, holds no secret of its parent, and is gone once closed', async () => {
    const seen: string[] = [];
    let trial: ProcessIdentity | undefined;
    process.env['SKEIN_TEST_SECRET'] = 'do-not-tell';
    const runtime = createOnnxRuntime({
      observer: {
        started: (identity) => {
          trial = identity;
          seen.push('started');
        },
        ended: (identity) => seen.push(`ended ${identity.pid === trial?.pid}`),
      },
    });
    const session = await runtime.open(request(memory(tinyModel()), 'process'));
    const pid = trial?.pid ?? 0;
    expect(birthOf(pid)).toBe(trial?.birth);
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('do-not-tell');
    expect(await session.residentBytes()).toBe(residentBytesOf(pid));
    await session.close();
    expect(seen).toEqual(['started', 'ended true']);
    expect(birthOf(pid)).toBeUndefined();
  });

  it('when the model alone passes the memory limit, refuses to open with memory-limit', async () => {
    const open = request(memory(fillModel()), 'process');
    const opening = createOnnxRuntime().open({
      ...open,
      // Less than the runtime itself needs.
      limits: { ...limits, memoryBytesMax: 20 * 1_048_576 },
    });
    expect(await opening.then(() => 'ok', codeOf)).toBe('memory-limit');
  });
});
