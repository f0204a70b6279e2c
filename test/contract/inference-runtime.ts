import { describe, expect, it } from 'vitest';
import { codeOf } from '../../shared/core/operating-error.ts';
import type {
  InferenceSession,
  RuntimeProof,
  SessionLimits,
  SessionOptions,
  Tensor,
} from '../../shared/ports/inference-runtime.ts';

/** Models that each adapter brings along: input `x` of `n` floats, output `y`. */
export type ModelKind =
  | 'doubles'
  /** Answers after some tenths of a second. */
  | 'slow'
  /** Fails on any length but seven. */
  | 'fails'
  /** Does not answer within the deadlines of this suite. */
  | 'hangs'
  /** Takes memory for as many floats as `x[0]` says. */
  | 'fills'
  | 'garbage';

export interface RuntimeUnderTest {
  open(kind: ModelKind, overrides?: OpenOverrides): Promise<InferenceSession>;
  probe(): Promise<RuntimeProof>;
  /** Where memory is judged, and a host can die alone. */
  readonly isolation?: { crash(session: InferenceSession): Promise<unknown> };
}

export interface OpenOverrides {
  readonly limits?: Partial<SessionLimits>;
  readonly provider?: SessionOptions['provider'];
}

export const floats = (...values: readonly number[]): Tensor => ({
  type: 'float32',
  shape: [values.length],
  bytes: new Uint8Array(new Float32Array(values).buffer),
});
const x = (...values: readonly number[]): Map<string, Tensor> =>
  new Map([['x', floats(...values)]]);
const valuesOf = (tensor: Tensor | undefined): number[] =>
  tensor === undefined ? [] : [...new Float32Array(tensor.bytes.slice().buffer)];
const outcome = (promise: Promise<unknown>): Promise<string> => promise.then(() => 'ok', codeOf);

export function inferenceRuntimeContract(name: string, runtime: RuntimeUnderTest): void {
  describe(`InferenceRuntime (${name})`, () => {
    it('when a model is opened, names its inputs and outputs and answers', async () => {
      const session = await runtime.open('doubles');
      expect([session.inputs, session.outputs]).toEqual([['x'], ['y']]);
      const result = await session.run(x(1, 2.5, -3));
      expect(valuesOf(result.outputs.get('y'))).toEqual([2, 5, -6]);
      expect(result.outputs.get('y')).toMatchObject({ type: 'float32', shape: [3] });
      expect(result.runMs).toBeGreaterThanOrEqual(0);
      expect(await session.residentBytes()).toBeGreaterThan(0);
      await session.close();
    });

    it('when calls overlap, each gets its own answer', async () => {
      const session = await runtime.open('doubles');
      const results = await Promise.all([1, 2, 3, 4, 5].map((value) => session.run(x(value))));
      const answers = results.map(({ outputs }) => valuesOf(outputs.get('y'))[0]);
      expect(answers).toEqual([2, 4, 6, 8, 10]);
      await session.close();
    });

    it('when a tensor is a view into a larger buffer, the rest of that buffer stays usable', async () => {
      const session = await runtime.open('doubles');
      const whole = new Float32Array([7, 8, 9]);
      const bytes = new Uint8Array(whole.buffer, 4, 4);
      const result = await session.run(new Map([['x', { type: 'float32', shape: [1], bytes }]]));
      expect(valuesOf(result.outputs.get('y'))).toEqual([16]);
      expect([...whole]).toEqual([7, 8, 9]);
      await session.close();
    });

    it('when the bytes are no model, refuses to open with model-load-failed', async () => {
      expect(await outcome(runtime.open('garbage'))).toBe('model-load-failed');
    });

    it('when loading takes longer than its limit, refuses to open with load-timeout', async () => {
      const opening = runtime.open('doubles', { limits: { loadTimeoutMs: 1 } });
      expect(await outcome(opening)).toBe('load-timeout');
    });

    it('when a provider is asked for, opens exactly if the probe has proven it', async () => {
      const { providers: proven } = await runtime.probe();
      expect(proven).toContain('cpu');
      const opening = runtime.open('doubles', { provider: 'webgpu' });
      const expected = proven.includes('webgpu') ? 'ok' : 'provider-unavailable';
      expect(await outcome(opening)).toBe(expected);
    });

    it('when it is probed, says which version of the runtime answered', async () => {
      expect((await runtime.probe()).version).toMatch(/^\d+[.]\d+[.]\d+/);
    });

    it('when inputs do not fit the declaration, says so and keeps the session', async () => {
      const session = await runtime.open('doubles');
      const good = floats(1);
      const wrong: readonly ReadonlyMap<string, Tensor>[] = [
        new Map(),
        new Map([['z', good]]),
        new Map([...x(1), ['z', good]]),
        new Map([['x', { ...good, type: 'int32' }]]),
        new Map([['x', { ...good, shape: [1, 1] }]]),
        new Map([['x', { ...good, shape: [2] }]]),
        new Map([['x', { ...good, shape: [-1] }]]),
        new Map([['x', { ...good, shape: [0.5] }]]),
      ];
      for (const inputs of wrong) {
        expect(await outcome(session.run(inputs))).toBe('inference-input-mismatch');
      }
      expect(await outcome(session.run(x(1)))).toBe('ok');
      await session.close();
    });

    it('when the model fails on an input, answers inference-failed and goes on', async () => {
      const session = await runtime.open('fails');
      expect(await outcome(session.run(x(1, 2)))).toBe('inference-failed');
      expect(await outcome(session.run(x(1, 2, 3, 4, 5, 6, 7)))).toBe('ok');
      await session.close();
    });

    it('when more calls wait than the limit, answers queue-full and serves the accepted ones', async () => {
      const session = await runtime.open('slow', { limits: { queueMax: 2 } });
      const accepted = [1, 2, 3].map((value) => outcome(session.run(x(value))));
      expect(await outcome(session.run(x(4)))).toBe('queue-full');
      expect(await Promise.all(accepted)).toEqual(['ok', 'ok', 'ok']);
      expect(await outcome(session.run(x(5)))).toBe('ok');
      await session.close();
    });

    it('when a call passes its deadline, it times out and the session is lost', async () => {
      const session = await runtime.open('hangs', { limits: { runTimeoutMs: 300 } });
      const calls = [1, 2, 3, 4].map((value) => outcome(session.run(x(value))));
      const lost = ['session-lost', 'session-lost', 'session-lost'];
      expect(await Promise.all(calls)).toEqual(['inference-timeout', ...lost]);
      expect(await outcome(session.run(x(5)))).toBe('session-lost');
      await session.close();
    });

    it('when closed while it runs, the running call ends and the waiting ones are lost', async () => {
      const session = await runtime.open('slow', { limits: { queueMax: 8 } });
      const calls = [1, 2, 3, 4].map((value) => outcome(session.run(x(value))));
      await Promise.resolve();
      await Promise.all([session.close(), session.close()]);
      const outcomes = await Promise.all(calls);
      expect([outcomes[0], outcomes[3]]).toEqual(['ok', 'session-lost']);
      expect(await outcome(session.run(x(5)))).toBe('session-lost');
    });

    const { isolation } = runtime;
    if (isolation === undefined) return;

    it('when a run takes more memory than the limit, it is ended with memory-limit', async () => {
      const session = await runtime.open('fills', { limits: { memoryBytesMax: 400 * 1_048_576 } });
      expect(await outcome(session.run(x(1024)))).toBe('ok');
      expect(await outcome(session.run(x(2_147_483_648)))).toBe('memory-limit');
      expect(await outcome(session.run(x(1024)))).toBe('session-lost');
      await session.close();
    });

    it('when the host dies under a call, the call is lost and so is the session', async () => {
      const session = await runtime.open('hangs');
      expect(await outcome(isolation.crash(session))).toBe('session-lost');
      expect(await outcome(session.run(x(1)))).toBe('session-lost');
      await session.close();
    });
  });
}
