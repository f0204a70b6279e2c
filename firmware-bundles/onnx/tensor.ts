import { create } from '@bufbuild/protobuf';
import { invariant } from '../../shared/core/invariant.ts';
import type { Tensor, TensorType } from '../../shared/ports/inference-runtime.ts';
import { elementBytes, elementTypeOf, elementTypes } from './element-type.ts';
import type { TensorProto } from './generated/onnx_pb.ts';
import { TensorProtoSchema } from './generated/onnx_pb.ts';

/** The typed array's own bytes, little-endian on every machine Node supports. */
export const bytesOfArray = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** A tensor from numbers; integers of 64 bits are given as numbers up to 2^53. */
export function tensorOf(
  type: TensorType,
  shape: readonly number[],
  values: ArrayLike<number>,
): Tensor {
  const elements = shape.reduce((product, dim) => product * dim, 1);
  invariant(values.length === elements, `a shape of ${elements} got ${values.length} values`);
  return { type, shape, bytes: bytesOfArray(arrayOf(type, values)) };
}

function arrayOf(type: TensorType, values: ArrayLike<number>): ArrayBufferView {
  switch (type) {
    case 'float32':
      return Float32Array.from(values);
    case 'float64':
      return Float64Array.from(values);
    case 'int8':
      return Int8Array.from(values);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(values);
    case 'int16':
      return Int16Array.from(values);
    case 'uint16':
      return Uint16Array.from(values);
    case 'int32':
      return Int32Array.from(values);
    case 'uint32':
      return Uint32Array.from(values);
    case 'int64':
      return BigInt64Array.from(Array.from(values, BigInt));
    case 'uint64':
      return BigUint64Array.from(Array.from(values, BigInt));
  }
}

/** The float32 elements of a tensor of that type, copied so that alignment does not matter. */
export function float32Of(tensor: Tensor): Float32Array {
  invariant(tensor.type === 'float32', `a ${tensor.type} tensor was read as float32`);
  return new Float32Array(tensor.bytes.slice().buffer);
}

export function tensorProtoOf(name: string, tensor: Tensor): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dims: tensor.shape.map(BigInt),
    dataType: elementTypes[tensor.type],
    rawData: tensor.bytes,
  });
}

/**
 * The bytes of an inline tensor, whichever field holds them; `undefined` for external data, strings and types
 * the house does not compute with.
 */
export function tensorOfProto(proto: TensorProto): Tensor | undefined {
  const type = elementTypeOf(proto.dataType);
  if (type === undefined || proto.dataLocation === 1) return undefined;
  const shape = proto.dims.map(Number);
  const bytesWanted = shape.reduce((product, dim) => product * dim, 1) * elementBytes[type];
  const bytes = proto.rawData.length > 0 ? proto.rawData : typedBytes(proto, type);
  return bytes.length === bytesWanted ? { type, shape, bytes } : undefined;
}

/** Elements in the typed fields: narrow integers stand widened in `int32_data`. */
function typedBytes(proto: TensorProto, type: TensorType): Uint8Array {
  switch (type) {
    case 'float32':
      return bytesOfArray(Float32Array.from(proto.floatData));
    case 'float64':
      return bytesOfArray(Float64Array.from(proto.doubleData));
    case 'int64':
      return bytesOfArray(BigInt64Array.from(proto.int64Data));
    case 'uint64':
      return bytesOfArray(BigUint64Array.from(proto.uint64Data));
    case 'uint32':
      return bytesOfArray(Uint32Array.from(proto.uint64Data, Number));
    case 'int32':
    case 'int16':
    case 'int8':
    case 'uint16':
    case 'uint8':
    case 'bool':
      return bytesOfArray(arrayOf(type, proto.int32Data));
  }
}
