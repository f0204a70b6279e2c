import { describe, expect, it } from 'vitest';
import { SharedHost } from '../../cli/demo/fleet/shared-host.ts';
import { systemClock } from '../../shared/adapters/clock/system-clock.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type {
  InferenceRuntime,
  OpenSession,
  Tensor,
} from '../../shared/ports/inference-runtime.ts';
import { createMemoryRuntime } from '../../shared/runtime/memory/memory-runtime.ts';

const floats = (...values: number[]): Tensor => ({
  type: 'float32',
  shape: [1, values.length],
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});
const x = (...values: number[]) => new Map([['x', floats(...values)]]);

const requestOf = (digest: string, host: OpenSession['host']): OpenSession => ({
  model: { kind: 'slot', graphPath: `/devices/any/slots/app/${digest}/graph.onnx` },
  host,
  limits: { loadTimeoutMs: 100, runTimeoutMs: 100, memoryBytesMax: 1_000_000, queueMax: 4 },
  options: { provider: 'cpu', threads: 1, graphOptimization: 'all' },
});

/** Counts what is opened and run behind the host; a model named `broken` does not load. */
function counted() {
  const seen = { opened: [] as string[], runs: 0, closed: 0 };
  const inner = createMemoryRuntime({
    clock: systemClock,
    providers: ['cpu'],
    modelOf: async () => ({
      inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
      outputs: ['y'],
      residentBytes: 1_000,
      answer: () => ({ kind: 'outputs', outputs: new Map([['y', floats(1, 0)]]), runMs: 0 }),
    }),
  });
  const runtime: InferenceRuntime = {
    probe: () => inner.probe(),
    open: async (request) => {
      if (request.model.kind === 'slot' && request.model.graphPath.includes('broken')) {
        throw new OperatingError('model-load-failed', 'broken');
      }
      seen.opened.push(request.host);
      const session = await inner.open(request);
      return {
        ...session,
        inputs: session.inputs,
        outputs: session.outputs,
        residentBytes: () => session.residentBytes(),
        run: (inputs) => {
          seen.runs += 1;
          return session.run(inputs);
        },
        close: async () => {
          seen.closed += 1;
          await session.close();
        },
      };
    },
  };
  return { seen, host: new SharedHost(runtime) };
}

describe('the inference host that devices share', () => {
  it('opens one session for a digest, however many devices ask, and closes it with the last', async () => {
    const { seen, host } = counted();
    const sessions = await Promise.all([1, 2, 3].map(() => host.open(requestOf('a', 'worker'))));
    await Promise.all(sessions.map((session) => session.run(x(1, 2))));
    expect(seen).toEqual({ opened: ['worker'], runs: 3, closed: 0 });
    for (const session of sessions) await session.close();
    expect(seen.closed).toBe(1);
  });

  it('tests a digest once in a process of its own; the next devices are told the same answers', async () => {
    const { seen, host } = counted();
    const first = await host.open(requestOf('a', 'process'));
    const told = await first.run(x(1, 2));
    const waiting = host.open(requestOf('a', 'process'));
    await first.close();
    const second = await waiting;
    expect(await second.run(x(1, 2))).toBe(told);
    expect(seen.runs).toBe(1);
    await second.run(x(3, 4));
    expect(seen).toMatchObject({ opened: ['process', 'worker'], runs: 2 });
    expect(host.selfTests).toBe(1);
    await second.close();
  });

  it('tells every device that a digest does not load, after it has tried once', async () => {
    const { host } = counted();
    for (let device = 0; device < 2; device += 1) {
      await expect(host.open(requestOf('broken', 'process'))).rejects.toMatchObject({
        code: 'model-load-failed',
      });
    }
    expect(host.selfTests).toBe(1);
  });

  it('refuses a session that its device has closed', async () => {
    const { host } = counted();
    const [kept, closed] = await Promise.all([1, 2].map(() => host.open(requestOf('a', 'worker'))));
    await closed!.close();
    await expect(closed!.run(x(1, 2))).rejects.toMatchObject({ code: 'session-lost' });
    await expect(kept!.run(x(1, 2))).resolves.toBeDefined();
    await kept!.close();
  });
});
