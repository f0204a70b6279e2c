import { createHash } from 'node:crypto';
import { clearField, clone, create } from '@bufbuild/protobuf';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { ModelProto, TensorProto } from './generated/onnx_pb.ts';
import {
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
} from './generated/onnx_pb.ts';
import { writeModel } from './model-writer.ts';
import { tensorOfProto } from './tensor.ts';
import { initializersOf } from './tensor-walk.ts';

export interface ExternalModel {
  readonly graph: Uint8Array;
  /** Tensor bytes by location: the sha256 of the bytes in hexadecimal, or the name of a replaceable tensor. */
  readonly tensors: ReadonlyMap<string, Uint8Array>;
}

export interface ExternalizeOptions {
  /** Tensors of at least this size move out; below it a blob costs more than it shares. */
  readonly bytesMin?: number;
  /**
   * Tensors that a federated round may replace: they move out whatever their size and are located by their own name,
   * so that new content leaves the graph the same bytes.
   */
  readonly replaceable?: ReadonlySet<string>;
}

export const externalBytesMin = 1024;
const externalLocation = 1;

/**
 * Moves initializers out of the graph, one blob per distinct content, so that two versions share what is
 * equal. The model given is left as it was. Strings and narrow types stay inside.
 */
export function externalize(model: ModelProto, options: ExternalizeOptions = {}): ExternalModel {
  const bytesMin = options.bytesMin ?? externalBytesMin;
  const moved = clone(ModelProtoSchema, model);
  const tensors = new Map<string, Uint8Array>();
  for (const proto of initializersOf(moved)) {
    const tensor = tensorOfProto(proto);
    if (tensor === undefined || tensor.bytes.length === 0) continue;
    const isReplaceable = options.replaceable?.has(proto.name) === true;
    if (tensor.bytes.length < bytesMin && !isReplaceable) continue;
    const location = isReplaceable
      ? proto.name
      : createHash('sha256').update(tensor.bytes).digest('hex');
    tensors.set(location, tensor.bytes);
    clearInline(proto);
    proto.dataLocation = externalLocation;
    proto.externalData = [
      entryOf('location', location),
      entryOf('offset', '0'),
      entryOf('length', String(tensor.bytes.length)),
    ];
  }
  return { graph: writeModel(moved), tensors };
}

export interface MissingBlob {
  readonly code: 'onnx-external-location' | 'onnx-external-range';
  readonly message: string;
}

/** The inverse: every external tensor of a copy of the model gets its bytes back inline. */
export function internalize(
  model: ModelProto,
  tensors: ReadonlyMap<string, Uint8Array>,
): Result<ModelProto, MissingBlob> {
  const whole = clone(ModelProtoSchema, model);
  for (const proto of initializersOf(whole)) {
    if (proto.dataLocation !== externalLocation) continue;
    const values = new Map(proto.externalData.map((entry) => [entry.key, entry.value]));
    const blob = tensors.get(values.get('location') ?? '');
    if (blob === undefined) {
      return err({
        code: 'onnx-external-location',
        message: `tensor ${proto.name}: its blob is not among those given`,
      });
    }
    const offset = Number(values.get('offset') ?? '0');
    const length = Number(values.get('length') ?? String(blob.length - offset));
    if (!(offset >= 0 && length >= 0 && offset + length <= blob.length)) {
      return err({
        code: 'onnx-external-range',
        message: `tensor ${proto.name}: its range leaves the blob`,
      });
    }
    clearField(proto, TensorProtoSchema.field.dataLocation);
    proto.externalData = [];
    proto.rawData = blob.slice(offset, offset + length);
  }
  return ok(whole);
}

/** Cleared, not emptied: an empty field is still written, and the guard refuses it beside external data. */
function clearInline(proto: TensorProto): void {
  const { rawData, floatData, doubleData, int32Data, int64Data, uint64Data } =
    TensorProtoSchema.field;
  for (const field of [rawData, floatData, doubleData, int32Data, int64Data, uint64Data]) {
    clearField(proto, field);
  }
}

const entryOf = (key: string, value: string): TensorProto['externalData'][number] =>
  create(StringStringEntryProtoSchema, { key, value });
