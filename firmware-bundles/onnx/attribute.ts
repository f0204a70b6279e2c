import { create } from '@bufbuild/protobuf';
import { utf8 } from '../../shared/core/bytes.ts';
import type { AttributeProto, GraphProto, TensorProto } from './generated/onnx_pb.ts';
import { AttributeProtoSchema } from './generated/onnx_pb.ts';

/** A node's attribute by kind, because ONNX tells `1` the integer from `1` the float. */
export type AttributeValue =
  | { readonly float: number }
  | { readonly int: number | bigint }
  | { readonly text: string }
  | { readonly tensor: TensorProto }
  | { readonly graph: GraphProto }
  | { readonly floats: readonly number[] }
  | { readonly ints: readonly (number | bigint)[] };

/** `AttributeProto.type` values. */
const types = { float: 1, int: 2, text: 3, tensor: 4, graph: 5, floats: 6, ints: 7 } as const;

export function attributeOf(name: string, value: AttributeValue): AttributeProto {
  if ('float' in value) {
    return create(AttributeProtoSchema, { name, type: types.float, f: value.float });
  }
  if ('int' in value) {
    return create(AttributeProtoSchema, { name, type: types.int, i: BigInt(value.int) });
  }
  if ('text' in value) {
    return create(AttributeProtoSchema, { name, type: types.text, s: utf8(value.text) });
  }
  if ('tensor' in value) {
    return create(AttributeProtoSchema, { name, type: types.tensor, t: value.tensor });
  }
  if ('graph' in value) {
    return create(AttributeProtoSchema, { name, type: types.graph, g: value.graph });
  }
  if ('floats' in value) {
    return create(AttributeProtoSchema, { name, type: types.floats, floats: [...value.floats] });
  }
  return create(AttributeProtoSchema, { name, type: types.ints, ints: value.ints.map(BigInt) });
}
