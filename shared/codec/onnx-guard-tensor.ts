import { err, ok, type Result } from '../core/result.ts';
import { integerOf, listOf, messagesOf, type OnnxRefusal, textField } from './onnx-guard-fields.ts';
import { elementBits, stringElement } from './onnx-operators.ts';
import type { SkimMessage } from './protobuf-skim.ts';

export interface TensorContext {
  /** Size in bytes of each listed blob, by the bare name a tensor's `location` may give. */
  readonly blobs: ReadonlyMap<string, number>;
  readonly tensorBytesMax: number;
}

/** What a tensor holds; `location` is set when its bytes lie in a blob. */
export interface GuardedTensor {
  readonly bytes: number;
  readonly location?: string;
}

const bareName = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;
const decimal = /^(0|[1-9][0-9]{0,15})$/;
const externalKeys: ReadonlySet<string> = new Set(['location', 'offset', 'length', 'checksum']);
const externalLocation = 1n;

/** One tensor: known type, bounded shape, exactly the bytes the shape needs, external ranges inside a listed blob. */
export function guardTensor(
  tensor: SkimMessage,
  context: TensorContext,
): Result<GuardedTensor, OnnxRefusal> {
  const name = textField(tensor, 'name');
  const refuse = (code: OnnxRefusal['code'], message: string): Result<never, OnnxRefusal> =>
    err({ code, message: `tensor ${name}: ${message}` });

  if (tensor.values.has('segment')) return refuse('onnx-tensor-invalid', 'segments are not used');
  const elements = elementsOf(tensor, context.tensorBytesMax * 8);
  if (elements === undefined) return refuse('onnx-tensor-invalid', 'dimensions are absurd');
  const type = Number(integerOf(tensor, 'data_type') ?? 0n);
  const bits = elementBits.get(type);
  if (bits === undefined && type !== stringElement) {
    return refuse('onnx-tensor-invalid', `data type ${type} is unknown`);
  }
  const bytes = Math.ceil((elements * (bits ?? 0)) / 8);
  if (bytes > context.tensorBytesMax) {
    return refuse('onnx-too-large', `larger than ${context.tensorBytesMax} bytes`);
  }
  const location = integerOf(tensor, 'data_location') ?? 0n;
  if (location !== 0n && location !== externalLocation) {
    return refuse('onnx-tensor-invalid', `data location ${location} is unknown`);
  }
  const entries = messagesOf(tensor, 'external_data');
  if (location === externalLocation) {
    return guardExternal(tensor, { name, bytes, isString: bits === undefined, entries, context });
  }
  if (entries.length > 0) {
    return refuse('onnx-external-location', 'names external data but claims to be inline');
  }
  const raw = listOf(tensor, 'raw_data')[0];
  if (raw instanceof Uint8Array && (bits === undefined || raw.length !== bytes)) {
    return refuse('onnx-tensor-invalid', `raw data is not ${bytes} bytes`);
  }
  // Complex numbers take two entries per element, sub-byte types may share one.
  for (const [field, count] of tensor.counts) {
    if (count > 2 * elements) return refuse('onnx-tensor-invalid', `${field} exceeds the shape`);
  }
  if (listOf(tensor, 'string_data').length > elements) {
    return refuse('onnx-tensor-invalid', 'string_data exceeds the shape');
  }
  return ok({ bytes });
}

function guardExternal(
  tensor: SkimMessage,
  external: {
    readonly name: string;
    readonly bytes: number;
    readonly isString: boolean;
    readonly entries: readonly SkimMessage[];
    readonly context: TensorContext;
  },
): Result<GuardedTensor, OnnxRefusal> {
  const refuse = (code: OnnxRefusal['code'], message: string): Result<never, OnnxRefusal> =>
    err({ code, message: `tensor ${external.name}: ${message}` });
  if (external.isString) return refuse('onnx-tensor-invalid', 'strings cannot be external');
  if (tensor.counts.size > 0 || tensor.values.has('raw_data')) {
    return refuse('onnx-tensor-invalid', 'has both inline and external data');
  }
  const values = new Map<string, string>();
  for (const entry of external.entries) {
    const key = textField(entry, 'key');
    if (!externalKeys.has(key)) return refuse('onnx-external-location', `unknown key ${key}`);
    if (values.has(key)) return refuse('onnx-duplicate', `external ${key} stands twice`);
    values.set(key, textField(entry, 'value'));
  }
  const location = values.get('location') ?? '';
  const blobBytes = external.context.blobs.get(location);
  // The runtime joins `location` to the folder of the graph: a separator or `..` would leave the slot.
  if (!bareName.test(location) || blobBytes === undefined) {
    return refuse('onnx-external-location', 'location is not the bare name of a listed blob');
  }
  const offsetText = values.get('offset') ?? '0';
  const lengthText = values.get('length') ?? String(external.bytes);
  if (!decimal.test(offsetText) || !decimal.test(lengthText)) {
    return refuse('onnx-external-range', 'offset and length must be plain decimal numbers');
  }
  const length = Number(lengthText);
  if (length !== external.bytes)
    return refuse('onnx-external-range', 'length differs from the shape');
  if (Number(offsetText) + length > blobBytes) {
    return refuse('onnx-external-range', `reaches beyond the ${blobBytes} bytes of the blob`);
  }
  return ok({ bytes: external.bytes, location });
}

/** A sparse tensor: both parts are tensors of their own; its dense shape must not be absurd either. */
export function guardSparseTensor(
  sparse: SkimMessage,
  context: TensorContext,
): Result<readonly GuardedTensor[], OnnxRefusal> {
  if (elementsOf(sparse, context.tensorBytesMax * 8) === undefined) {
    return err({ code: 'onnx-tensor-invalid', message: 'a sparse tensor has absurd dimensions' });
  }
  const parts: GuardedTensor[] = [];
  for (const part of [...messagesOf(sparse, 'values'), ...messagesOf(sparse, 'indices')]) {
    const guarded = guardTensor(part, context);
    if (!guarded.ok) return guarded;
    parts.push(guarded.value);
  }
  return ok(parts);
}

/** The number of elements a shape holds, or nothing when a dimension or the product leaves the bound. */
function elementsOf(tensor: SkimMessage, elementsMax: number): number | undefined {
  let elements = 1;
  for (const dim of listOf(tensor, 'dims')) {
    if (typeof dim !== 'bigint' || dim < 0n || dim > BigInt(elementsMax)) return undefined;
    elements *= Number(dim);
    if (elements > elementsMax) return undefined;
  }
  return elements;
}
