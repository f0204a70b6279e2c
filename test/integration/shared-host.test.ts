import { describe, expect, it } from 'vitest';
import { batched } from '../../cli/demo/fleet/batched-session.ts';
import { SharedHost } from '../../cli/demo/fleet/shared-host.ts';
import { systemClock } from '../../shared/adapters/clock/system-clock.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type {
  InferenceRuntime,
  InferenceSession,
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
      answer: (inputs) => {
        const rows = inputs.get('x')?.shape[0] ?? 1;
        const y = { ...floats(...Array.from({ length: 2 * rows }, () => 1)), shape: [rows, 2] };
        return { kind: 'outputs', outputs: new Map([['y', y]]), runMs: 0 };
      },
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
    expect(seen).toEqual({ opened: ['worker'], runs: 1, closed: 0 });
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

describe('a session that batches', () => {
  /** Doubles each row; refuses a batch that holds a 13. */
  const doubling = () => {
    const shapes: (readonly number[])[] = [];
    const session: InferenceSession = {
      inputs: ['x'],
      outputs: ['y'],
      run: async (inputs) => {
        const tensor = inputs.get('x')!;
        shapes.push(tensor.shape);
        const values = new Float32Array(tensor.bytes.slice().buffer);
        if (values.includes(13)) throw new OperatingError('inference-failed', 'thirteen');
        const bytes = new Uint8Array(values.map((value) => 2 * value).buffer);
        return { outputs: new Map([['y', { ...tensor, bytes }]]), runMs: 6 };
      },
      residentBytes: async () => 1,
      close: async () => undefined,
    };
    return { shapes, session: batched(session) };
  };

  it('given calls of one turn, runs once, and each gets its own row and the time of the run', async () => {
    const { shapes, session } = doubling();
    const answers = await Promise.all([1, 2, 3].map((value) => session.run(x(value, -value))));
    expect(shapes).toEqual([[3, 2]]);
    expect(answers.map(({ outputs }) => outputs.get('y'))).toEqual([
      floats(2, -2),
      floats(4, -4),
      floats(6, -6),
    ]);
    expect(answers.map(({ runMs }) => runMs)).toEqual([6, 6, 6]);
  });

  it('given rows of another form, or several rows, runs them by themselves', async () => {
    const { shapes, session } = doubling();
    const two = { ...floats(1, 2, 3, 4), shape: [2, 2] };
    await Promise.all([
      session.run(new Map([['x', two]])),
      session.run(x(1, 2)),
      session.run(x(1, 2, 3)),
    ]);
    expect(shapes).toEqual([
      [2, 2],
      [1, 2],
      [1, 3],
    ]);
  });

  it('given a batch that fails, tells each of its callers', async () => {
    const { session } = doubling();
    const failed = await Promise.allSettled([1, 13].map((value) => session.run(x(value, 0))));
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
