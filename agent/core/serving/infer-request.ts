import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';
import type { InferenceInput } from '../inference/prepare-input.ts';
import { type TensorFailure, tensorBytes, tensorOfJson, typeOfDatatype } from './tensor-codec.ts';

export type Parameters = Readonly<Record<string, string | number | boolean>>;

/** The JSON part of `POST v2/models/{m}/infer`, as validated. */
export interface InferRequest {
  readonly id?: string;
  readonly parameters?: Parameters;
  readonly inputs: readonly InferInput[];
  readonly outputs?: readonly { readonly name: string; readonly parameters?: Parameters }[];
}

interface InferInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly parameters?: Parameters;
  readonly data?: unknown;
}

export type RequestFailure =
  | TensorFailure
  | { readonly code: 'binary-size-mismatch'; readonly message: string };

/** The name under which a model with declared pre-processing takes raw bytes instead of its tensor. */
const rawName = 'bytes';

/**
 * The tensors of a request. `binary` is what followed the JSON: the inputs with `binary_data_size`, in declared order
 * (binary tensor data extension). A model that counts bytes itself takes one input `bytes` of
 * datatype BYTES, shape [1].
 */
export function readInferInputs(
  config: BundleConfig,
  request: InferRequest,
  binary: Uint8Array,
): Result<InferenceInput, RequestFailure> {
  const tensors = new Map<string, Tensor>();
  let raw: Uint8Array | undefined;
  let at = 0;
  for (const input of request.inputs) {
    const size = input.parameters?.['binary_data_size'];
    const part = typeof size === 'number' ? binary.subarray(at, at + size) : undefined;
    if (part !== undefined && (part.length !== size || input.data !== undefined)) {
      return mismatch(`${input.name} does not have its binary_data_size of bytes`);
    }
    at += part?.length ?? 0;
    if (isRaw(config, input)) {
      const bytes = part === undefined ? rawOfJson(input.data) : rawOfBinary(part);
      if (bytes === undefined) return malformed(`${input.name} holds no one byte string`);
      raw = bytes;
      continue;
    }
    if (tensors.has(input.name)) return malformed(`${input.name} stands there twice`);
    const tensor = readTensor(input, part);
    if (!tensor.ok) return tensor;
    tensors.set(input.name, tensor.value);
  }
  if (at !== binary.length) return mismatch(`${binary.length - at} bytes belong to no input`);
  if (raw === undefined) return ok({ kind: 'tensors', tensors });
  return tensors.size === 0
    ? ok({ kind: 'bytes', bytes: raw })
    : malformed(`${rawName} comes alone: the other inputs are made from it`);
}

/** `Inference-Header-Content-Length: 0`: the body is the single input, and every output is binary. */
export function readRawInput(
  config: BundleConfig,
  body: Uint8Array,
): Result<InferenceInput, RequestFailure> {
  if (config.preprocessing.kind !== 'none') return ok({ kind: 'bytes', bytes: body });
  const [input, ...others] = config.inputs;
  if (input === undefined || others.length > 0) {
    return malformed('a raw body needs a model with one input');
  }
  const shape = input.shape.map((size) => (typeof size === 'number' ? size : 1));
  const bytes = tensorBytes(input.type, shape);
  if (bytes !== body.length) {
    return mismatch(`${input.name} takes ${bytes ?? 'other'} bytes, the body has ${body.length}`);
  }
  const tensor = { type: input.type, shape, bytes: body.slice() };
  return ok({ kind: 'tensors', tensors: new Map([[input.name, tensor]]) });
}

const isRaw = (config: BundleConfig, input: InferInput): boolean =>
  config.preprocessing.kind !== 'none' && input.name === rawName && input.datatype === 'BYTES';

function readTensor(
  { name, datatype, shape, data }: InferInput,
  part: Uint8Array | undefined,
): Result<Tensor, RequestFailure> {
  const type = typeOfDatatype(datatype);
  if (type === undefined) return malformed(`${name} has datatype ${datatype}, unknown here`);
  if (part === undefined) return tensorOfJson({ name, type, shape }, data);
  const bytes = tensorBytes(type, shape);
  if (bytes !== part.length) {
    return mismatch(`${name} has ${part.length} bytes, its shape needs ${bytes ?? 'too many'}`);
  }
  // A copy: the runtime takes the buffer with it, and other inputs lie in the same one.
  return ok({ type, shape, bytes: part.slice() });
}

function rawOfJson(data: unknown): Uint8Array | undefined {
  const [text, ...others] = Array.isArray(data) ? (data as unknown[]) : [];
  return typeof text === 'string' && others.length === 0 ? utf8(text) : undefined;
}

/** BYTES elements: four bytes of length, little-endian, then the bytes. */
function rawOfBinary(part: Uint8Array): Uint8Array | undefined {
  if (part.length < 4) return undefined;
  const length = new DataView(part.buffer, part.byteOffset).getUint32(0, true);
  return length === part.length - 4 ? part.slice(4) : undefined;
}

const malformed = (message: string): Result<never, TensorFailure> =>
  err({ code: 'tensor-malformed', message });
const mismatch = (message: string): Result<never, RequestFailure> =>
  err({ code: 'binary-size-mismatch', message });
