import { describe, expect, it } from 'vitest';
import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';
import { readAnswer } from './read-answer.ts';

const config = {
  postprocessing: { kind: 'classify', output: 'y', labels: ['no', 'yes'] },
  profile: { n: 0, monitored: [] },
} as unknown as BundleConfig;

const floats = (...values: number[]): Tensor => ({
  ...{ type: 'float32', shape: [1, values.length] },
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});
const read = (tensor: Tensor, name = 'y') => readAnswer(config, new Map([[name, tensor]]), 1);

describe('readAnswer', () => {
  it('given probabilities, names the class and how sure it is', () => {
    expect(read(floats(0.25, 0.75))).toMatchObject({
      ok: true,
      value: { predicted: 1, label: 'yes', confidence: 0.75 },
    });
  });

  it('given a view that begins between two numbers, reads the same', () => {
    const { bytes } = floats(0.25, 0.75);
    const shifted = new Uint8Array(9);
    shifted.set(bytes, 1);
    const tensor: Tensor = { type: 'float32', shape: [1, 2], bytes: shifted.subarray(1) };
    expect(read(tensor)).toMatchObject({ ok: true, value: { label: 'yes' } });
  });

  it.each([
    ['answer-not-finite', floats(Number.NaN, 1), 'y'],
    ['answer-not-finite', floats(Number.POSITIVE_INFINITY, 0), 'y'],
    ['answer-form-unexpected', floats(1), 'y'],
    ['answer-form-unexpected', floats(0, 1), 'z'],
    ['answer-form-unexpected', { ...floats(0, 1), type: 'int32' as const }, 'y'],
  ])('answers %s when the output is %j at %s', (code, tensor, name) => {
    expect(read(tensor, name)).toEqual({ ok: false, error: { code } });
  });
});
