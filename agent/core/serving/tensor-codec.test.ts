import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TensorType } from '../../../shared/ports/inference-runtime.ts';
import {
  datatypeOf,
  jsonOfTensor,
  tensorBytes,
  tensorOfJson,
  typeOfDatatype,
} from './tensor-codec.ts';

const form = (type: TensorType, shape: readonly number[]) => ({ name: 't', type, shape });
const messageOf = (result: ReturnType<typeof tensorOfJson>): string =>
  result.ok ? 'ok' : result.error.message;

describe('tensorOfJson', () => {
  it('when data is nested or flat, gives the same little-endian bytes', () => {
    const flat = tensorOfJson(form('int16', [2, 2]), [1, 2, -1, 258]);
    const nested = tensorOfJson(form('int16', [2, 2]), [
      [1, 2],
      [-1, 258],
    ]);
    expect(nested).toEqual(flat);
    expect(flat.ok && [...flat.value.bytes]).toEqual([1, 0, 2, 0, 255, 255, 2, 1]);
  });

  it('when values and shape disagree, says which way', () => {
    expect(messageOf(tensorOfJson(form('float32', [3]), [1, 2]))).toMatch(/fewer/);
    expect(messageOf(tensorOfJson(form('float32', [1]), [1, 2]))).toMatch(/more/);
    expect(messageOf(tensorOfJson(form('float32', [1]), 1))).toMatch(/no array/);
    expect(messageOf(tensorOfJson(form('float32', [1]), ['1']))).toMatch(/no number/);
  });

  it('when a number does not fit its type, refuses it', () => {
    for (const [type, value] of [
      ['uint8', 256],
      ['int8', -129],
      ['uint16', 1.5],
      ['uint64', -1],
      ['int64', 2 * Number.MAX_SAFE_INTEGER],
      ['bool', 2],
    ] as const) {
      expect(messageOf(tensorOfJson(form(type, [1]), [value])), type).toMatch(/holds/);
    }
  });

  it('when a shape or a nesting is hostile, refuses it without the memory', () => {
    expect(tensorBytes('float32', [65_536, 65_536])).toBeUndefined();
    expect(tensorBytes('float32', [-1])).toBeUndefined();
    expect(tensorBytes('float32', [1.5])).toBeUndefined();
    let deep: unknown = 1;
    for (let i = 0; i < 50; i += 1) deep = [deep];
    expect(messageOf(tensorOfJson(form('float32', [1]), deep))).toMatch(/deeply/);
  });
});

describe('jsonOfTensor', () => {
  it('when a tensor went in as JSON, the same values come out', () => {
    const integer = fc.constantFrom<TensorType>('int8', 'uint8', 'int32', 'int64', 'float64');
    fc.assert(
      fc.property(integer, fc.array(fc.integer({ min: 0, max: 127 })), (type, values) => {
        const tensor = tensorOfJson(form(type, [values.length]), values);
        expect(tensor.ok && jsonOfTensor('t', tensor.value)).toEqual({ ok: true, value: values });
      }),
    );
  });

  it('when a value is one that JSON cannot say, points to the binary form', () => {
    const bytes = new Uint8Array(new Float32Array([Number.NaN]).buffer);
    expect(jsonOfTensor('t', { type: 'float32', shape: [1], bytes }).ok).toBe(false);
    const large = new Uint8Array(new BigInt64Array([1n << 60n]).buffer);
    expect(jsonOfTensor('t', { type: 'int64', shape: [1], bytes: large }).ok).toBe(false);
  });
});

it('when a datatype is named, it and the type are each other', () => {
  expect(typeOfDatatype('FP32')).toBe('float32');
  expect(typeOfDatatype(datatypeOf('uint64'))).toBe('uint64');
  expect(typeOfDatatype('BYTES')).toBeUndefined();
  expect(typeOfDatatype('FP16')).toBeUndefined();
});
