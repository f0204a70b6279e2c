import { describe, expect, it } from 'vitest';
import type { BundleConfig, DefaultRow } from '../contracts/bundle-config.ts';
import { limits } from '../contracts/limits.ts';
import { base64Of } from '../core/bytes.ts';
import { defaultAnswerProblem } from './default-answer.ts';

const floats = (...values: number[]): string =>
  base64Of(new Uint8Array(Float32Array.from(values).buffer));
const tensor = (name: string, shape: (number | string)[], type: DefaultRow['type'] = 'float32') => {
  return { name, type, shape, meaning: 'numbers' };
};
const inputs: BundleConfig['inputs'] = [tensor('x', ['batch', 4])];
const outputs: BundleConfig['outputs'] = [
  tensor('p', ['batch', 2]),
  tensor('boxes', [1, 'count', 2], 'uint8'),
];
const p: DefaultRow = { name: 'p', type: 'float32', shape: [2], base64: floats(1, 0) };
const boxes: DefaultRow = { name: 'boxes', type: 'uint8', shape: [1, 0, 2], base64: '' };

const problem = (...defaultAnswer: DefaultRow[]) =>
  defaultAnswerProblem({ inputs, outputs, defaultAnswer });

describe('defaultAnswerProblem', () => {
  it('given a row of each output without the batch, or no default answer, finds nothing', () => {
    expect(problem(p, boxes)).toBeUndefined();
    expect(problem(boxes, p)).toBeUndefined();
    expect(defaultAnswerProblem({ inputs, outputs })).toBeUndefined();
  });

  it.each<[string, DefaultRow[], RegExp]>([
    ['an output without a row', [p], /1 rows for 2 outputs/],
    ['a row of an output that is not there', [p, { ...boxes, name: 'q' }], /no row of boxes/],
    ['a row that stands twice', [p, p], /twice/],
    ['another type', [{ ...p, type: 'int32' }, boxes], /p is int32, declared float32/],
    ['the batch in the shape', [{ ...p, shape: [1, 2] }, boxes], /shape \[1,2\], declared \[2\]/],
    ['another size', [{ ...p, shape: [3], base64: floats(1, 2, 3) }, boxes], /shape \[3\]/],
    ['a fixed first size left out', [p, { ...boxes, shape: [0, 2] }], /shape \[0,2\]/],
    ['too few bytes', [{ ...p, base64: floats(1) }, boxes], /4 bytes, its shape needs 8/],
    ['no base64', [{ ...p, base64: 'AAA' }, boxes], /no base64/],
    ['no number', [{ ...p, base64: floats(1, Number.NaN) }, boxes], /is no number/],
    ['infinity', [{ ...p, base64: floats(Number.POSITIVE_INFINITY, 0) }, boxes], /is no number/],
  ])('given %s, says which row is wrong', (_title, rows, expected) => {
    expect(problem(...rows)).toMatch(expected);
  });

  it('given an output whose batch no input has, says that nobody could tell the number of rows', () => {
    const config = { inputs: [tensor('x', [4])], outputs: [tensor('p', ['batch', 2])] };
    expect(defaultAnswerProblem({ ...config, defaultAnswer: [p] })).toMatch(/no input has/);
  });

  it('given more bytes than a device reads for it, names the limit', () => {
    const size = limits.defaultAnswerBytesMax + 1;
    const row = { ...boxes, shape: [1, size, 2], base64: base64Of(new Uint8Array(2 * size)) };
    expect(problem(p, row)).toContain(`at most ${limits.defaultAnswerBytesMax}`);
  });
});
