import type { BundleConfig, DefaultRow } from '../contracts/bundle-config.ts';
import { elementBytes } from '../contracts/element-bytes.ts';
import { limits } from '../contracts/limits.ts';
import { batchOf, rowShapeOf } from '../contracts/tensor-batch.ts';
import { bytesOfBase64 } from '../core/bytes.ts';

type Signature = BundleConfig['outputs'][number];
type Declared = Pick<BundleConfig, 'inputs' | 'outputs' | 'defaultAnswer'>;

/** What is wrong with the default answer of a bundle, in words; `undefined` for a sound one and for none. */
export function defaultAnswerProblem(config: Declared): string | undefined {
  const { defaultAnswer: rows, outputs } = config;
  if (rows === undefined) return undefined;
  const names = new Set(rows.map(({ name }) => name));
  if (names.size !== rows.length) return 'a row of the default answer stands twice';
  if (rows.length !== outputs.length) {
    return `the default answer has ${rows.length} rows for ${outputs.length} outputs`;
  }
  let bytes = 0;
  for (const output of outputs) {
    const row = rows.find(({ name }) => name === output.name);
    if (row === undefined) return `the default answer has no row of ${output.name}`;
    const problem = rowProblem(row, output) ?? batchProblem(output, config);
    if (problem !== undefined) return `the default row of ${row.name} ${problem}`;
    bytes += bytesOfBase64(row.base64)?.length ?? 0;
  }
  return bytes <= limits.defaultAnswerBytesMax
    ? undefined
    : `the default answer has ${bytes} bytes, at most ${limits.defaultAnswerBytesMax}`;
}

function rowProblem(row: DefaultRow, output: Signature): string | undefined {
  const { type, shape } = row;
  if (type !== output.type) return `is ${type}, declared ${output.type}`;
  const declared = rowShapeOf(output);
  const fits = declared.every((size, axis) => typeof size === 'string' || size === shape[axis]);
  if (!fits || shape.length !== declared.length) {
    return `has shape [${shape.join()}], declared [${declared.join()}] without the batch`;
  }
  const bytes = bytesOfBase64(row.base64);
  const needed = shape.reduce((product, size) => product * size, elementBytes[type]);
  if (bytes?.length !== needed) {
    return `has ${bytes?.length ?? 'no base64 of'} bytes, its shape needs ${needed}`;
  }
  return areNumbers(bytes, type) ? undefined : 'holds something that is no number';
}

/** How many rows a question asks for is told by the input with the same batch. */
function batchProblem(output: Signature, { inputs }: Declared): string | undefined {
  const batch = batchOf(output);
  return batch === undefined || inputs.some((input) => batchOf(input) === batch)
    ? undefined
    : `has the batch ${batch}, which no input has`;
}

function areNumbers(bytes: Uint8Array, type: DefaultRow['type']): boolean {
  if (type !== 'float32' && type !== 'float64') return true;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const step = elementBytes[type];
  for (let at = 0; at < bytes.length; at += step) {
    const value = type === 'float32' ? view.getFloat32(at, true) : view.getFloat64(at, true);
    if (!Number.isFinite(value)) return false;
  }
  return true;
}
