import { limits } from '../../../shared/contracts/limits.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Tensor, TensorType } from '../../../shared/ports/inference-runtime.ts';

export interface TensorFailure {
  readonly code: 'tensor-malformed';
  readonly message: string;
}

interface Form {
  readonly datatype: string;
  readonly bytes: number;
  /** Whole numbers from `least` to `most`, or any number. */
  readonly range?: readonly [least: number, most: number];
  readonly write: (view: DataView, at: number, value: number) => void;
  readonly read: (view: DataView, at: number) => number;
}

const safe = Number.MAX_SAFE_INTEGER;

/** Open Inference Protocol V2, "Tensor Data Types"; little-endian as the binary extension says. */
const forms: Readonly<Record<TensorType, Form>> = {
  bool: {
    ...{ datatype: 'BOOL', bytes: 1, range: [0, 1] },
    write: (view, at, value) => view.setUint8(at, value),
    read: (view, at) => view.getUint8(at),
  },
  int8: {
    ...{ datatype: 'INT8', bytes: 1, range: [-128, 127] },
    write: (view, at, value) => view.setInt8(at, value),
    read: (view, at) => view.getInt8(at),
  },
  uint8: {
    ...{ datatype: 'UINT8', bytes: 1, range: [0, 255] },
    write: (view, at, value) => view.setUint8(at, value),
    read: (view, at) => view.getUint8(at),
  },
  int16: {
    ...{ datatype: 'INT16', bytes: 2, range: [-32_768, 32_767] },
    write: (view, at, value) => view.setInt16(at, value, true),
    read: (view, at) => view.getInt16(at, true),
  },
  uint16: {
    ...{ datatype: 'UINT16', bytes: 2, range: [0, 65_535] },
    write: (view, at, value) => view.setUint16(at, value, true),
    read: (view, at) => view.getUint16(at, true),
  },
  int32: {
    ...{ datatype: 'INT32', bytes: 4, range: [-2_147_483_648, 2_147_483_647] },
    write: (view, at, value) => view.setInt32(at, value, true),
    read: (view, at) => view.getInt32(at, true),
  },
  uint32: {
    ...{ datatype: 'UINT32', bytes: 4, range: [0, 4_294_967_295] },
    write: (view, at, value) => view.setUint32(at, value, true),
    read: (view, at) => view.getUint32(at, true),
  },
  // JSON numbers are exact up to 2^53; larger ones travel as binary.
  int64: {
    ...{ datatype: 'INT64', bytes: 8, range: [-safe, safe] },
    write: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
    read: (view, at) => Number(view.getBigInt64(at, true)),
  },
  uint64: {
    ...{ datatype: 'UINT64', bytes: 8, range: [0, safe] },
    write: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
    read: (view, at) => Number(view.getBigUint64(at, true)),
  },
  float32: {
    ...{ datatype: 'FP32', bytes: 4 },
    write: (view, at, value) => view.setFloat32(at, value, true),
    read: (view, at) => view.getFloat32(at, true),
  },
  float64: {
    ...{ datatype: 'FP64', bytes: 8 },
    write: (view, at, value) => view.setFloat64(at, value, true),
    read: (view, at) => view.getFloat64(at, true),
  },
};

const types = new Map(
  (Object.entries(forms) as [TensorType, Form][]).map(([type, { datatype }]) => [datatype, type]),
);

export const datatypeOf = (type: TensorType): string => forms[type].datatype;
/** `undefined` for what models here never take: FP16, BF16, BYTES. */
export const typeOfDatatype = (datatype: string): TensorType | undefined => types.get(datatype);

/** Bytes that a tensor of this form has; `undefined` when a size is no count or the product leaves every bound. */
export function tensorBytes(type: TensorType, shape: readonly number[]): number | undefined {
  let elements = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    elements *= size;
    if (elements > limits.inferBodyBytesMax) return undefined;
  }
  return elements * forms[type].bytes;
}

/** JSON `data`, nested or flat, row-major: both are legal. */
export function tensorOfJson(
  form: { readonly name: string; readonly type: TensorType; readonly shape: readonly number[] },
  data: unknown,
): Result<Tensor, TensorFailure> {
  const { name, type, shape } = form;
  const length = tensorBytes(type, shape);
  if (length === undefined) return malformed(`${name} has a shape beyond every limit`);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  const { bytes: step, range, write } = forms[type];
  let at = 0;
  const fill = (value: unknown, depth: number): string | undefined => {
    if (Array.isArray(value)) {
      if (depth >= limits.tensorRankMax) return 'is nested too deeply';
      for (const item of value as unknown[]) {
        const wrong = fill(item, depth + 1);
        if (wrong !== undefined) return wrong;
      }
      return undefined;
    }
    const number = type === 'bool' && typeof value === 'boolean' ? Number(value) : value;
    if (typeof number !== 'number') return 'holds something that is no number';
    if (range !== undefined && !isWhole(number, range)) return `holds ${number}, no ${type}`;
    if (at >= length) return 'has more values than its shape';
    write(view, at, number);
    at += step;
    return undefined;
  };
  const wrong = Array.isArray(data) ? fill(data, 0) : 'has no array as data';
  if (wrong !== undefined) return malformed(`${name} ${wrong}`);
  return at === length
    ? ok({ type, shape, bytes })
    : malformed(`${name} has fewer values than its shape`);
}

const isWhole = (value: number, [least, most]: readonly [number, number]): boolean =>
  Number.isInteger(value) && value >= least && value <= most;

/** Flat values for JSON. What JSON cannot say (no number, or beyond 2^53) must be asked for as binary. */
export function jsonOfTensor(
  name: string,
  tensor: Tensor,
): Result<readonly (number | boolean)[], TensorFailure> {
  const { bytes, type } = tensor;
  const { bytes: step, read } = forms[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: (number | boolean)[] = [];
  for (let at = 0; at + step <= bytes.byteLength; at += step) {
    const value = read(view, at);
    const isExact = Number.isFinite(value) && (step < 8 || type === 'float64' || isSafe(value));
    if (!isExact) return malformed(`${name} holds what JSON cannot say; ask for binary_data`);
    values.push(type === 'bool' ? value !== 0 : value);
  }
  return ok(values);
}

const isSafe = (value: number): boolean => Number.isSafeInteger(value);

const malformed = (message: string): Result<never, TensorFailure> =>
  err({ code: 'tensor-malformed', message });
