import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BundleConfig, DefaultRow } from '../../../shared/contracts/bundle-config.ts';
import { base64Of } from '../../../shared/core/bytes.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';
import { answerByDefault } from './default-answer.ts';
import type { InferenceInput } from './prepare-input.ts';

const tensor = (name: string, shape: (number | string)[]) => ({
  ...{ name, type: 'float32' as const, shape, meaning: 'numbers' },
});
const config = {
  name: 'two',
  inputs: [tensor('bias', [1]), tensor('x', ['batch', 3])],
  outputs: [tensor('p', ['batch', 2]), tensor('scale', [1])],
  preprocessing: { kind: 'none' },
  postprocessing: { kind: 'classify', output: 'p', labels: ['good', 'bad'] },
  profile: { n: 0, monitored: [] },
} as unknown as BundleConfig;

const bytesOf = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);
const row = (name: string, values: readonly number[]): DefaultRow => ({
  ...{ name, type: 'float32', shape: [values.length], base64: base64Of(bytesOf(values)) },
});
const rows = [row('p', [0.25, 0.75]), row('scale', [9])];
const floats = (shape: number[], bytes = 4 * shape.reduce((a, b) => a * b, 1)): Tensor => ({
  ...{ type: 'float32', shape, bytes: new Uint8Array(bytes) },
});
const asked = (x: Tensor, others: readonly [string, Tensor][] = [['bias', floats([1])]]) => {
  const tensors = new Map<string, Tensor>([['x', x], ...others]);
  return answerByDefault(config, rows, { kind: 'tensors', tensors });
};
const valuesIn = (output: Tensor | undefined) => [
  ...new Float32Array(output?.bytes.slice().buffer ?? new ArrayBuffer(0)),
];

describe('answerByDefault', () => {
  it('given any number of input rows, gives the same row that often, and what has no batch once', () => {
    fc.assert(
      fc.property(fc.nat(40), (count) => {
        const answer = asked(floats([count, 3]));
        if (!answer.ok) throw new Error(answer.error.message);
        const p = answer.value.outputs.get('p');
        expect(p?.shape).toEqual([count, 2]);
        const expected = Array.from({ length: count }, () => [0.25, 0.75]).flat();
        expect(valuesIn(p)).toEqual(expected);
        expect(answer.value.outputs.get('scale')).toMatchObject({ shape: [1] });
        expect(valuesIn(answer.value.outputs.get('scale'))).toEqual([9]);
      }),
    );
  });

  it('given rows that look like probabilities, names their class; given others, names none', () => {
    expect(asked(floats([1, 3]))).toMatchObject({ value: { label: 'bad', confidence: 0.75 } });
    const input: InferenceInput = {
      kind: 'tensors',
      tensors: new Map([
        ['bias', floats([1])],
        ['x', floats([1, 3])],
      ]),
    };
    const short = [row('p', [1]), row('scale', [9])];
    expect(answerByDefault(config, short, input)).toMatchObject({ value: { label: undefined } });
  });

  it.each<[string, Tensor, [string, Tensor][] | undefined]>([
    ['another rank', floats([3]), undefined],
    ['another fixed size', floats([1, 4]), undefined],
    ['another type', { ...floats([1, 3]), type: 'int32' }, undefined],
    ['bytes of another length', floats([1, 3], 8), undefined],
    ['an input too few', floats([1, 3]), []],
    ['an input of another name', floats([1, 3]), [['offset', floats([1])]]],
  ])('given %s, tells the caller as a model would have', (_title, x, others) => {
    expect(asked(x, others)).toMatchObject({
      ok: false,
      error: { code: 'inference-input-mismatch' },
    });
  });

  it('given bytes where tensors are declared, tells the caller too', () => {
    const answer = answerByDefault(config, rows, { kind: 'bytes', bytes: new Uint8Array(3) });
    expect(answer).toMatchObject({ ok: false, error: { code: 'inference-input-mismatch' } });
  });

  it('given more rows than any answer may have, refuses instead of filling the memory', () => {
    const free = { ...config, inputs: [tensor('bias', [1]), tensor('x', ['batch', 'any'])] };
    const tensors = new Map([
      ['x', floats([2 ** 24, 0])],
      ['bias', floats([1])],
    ]);
    const answer = answerByDefault(free, rows, { kind: 'tensors', tensors });
    expect(answer).toMatchObject({ ok: false, error: { code: 'too-large' } });
  });
});
