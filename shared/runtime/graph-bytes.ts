import { concatBytes, utf8 } from '../core/bytes.ts';

/** One field of a protobuf message: a varint for numbers, length-delimited for text and bytes. */
export function field(tag: number, value: bigint | number | string | Uint8Array): Uint8Array {
  if (typeof value === 'bigint' || typeof value === 'number') {
    return concatBytes([varint(BigInt(tag) << 3n), varint(BigInt(value))]);
  }
  const bytes = typeof value === 'string' ? utf8(value) : value;
  return concatBytes([varint((BigInt(tag) << 3n) | 2n), varint(BigInt(bytes.length)), bytes]);
}

/** Base-128 varint, seven bits a byte, lowest first. `value` is not negative. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** ONNX `TensorProto.DataType` numbers used by hand-written graphs. */
export const onnxType = { float32: 1, int64: 7, bool: 9 } as const;

/** A `ValueInfoProto`: tensor of `type`; a text in `shape` is a symbolic dimension. */
export function valueOf(
  name: string,
  type: number,
  shape: readonly (number | string)[],
): Uint8Array {
  const dimensions = shape.map((size) => field(1, field(typeof size === 'number' ? 1 : 2, size)));
  const tensor = concatBytes([field(1, type), field(2, concatBytes(dimensions))]);
  return concatBytes([field(1, name), field(2, field(1, tensor))]);
}

/** A `NodeProto`; `attributes` are whole `AttributeProto` messages. */
export function nodeOf(
  operator: string,
  edges: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
  attributes: readonly Uint8Array[] = [],
): Uint8Array {
  return concatBytes([
    ...edges.inputs.map((name) => field(1, name)),
    ...edges.outputs.map((name) => field(2, name)),
    field(4, operator),
    ...attributes.map((attribute) => field(5, attribute)),
  ]);
}

export interface GraphParts {
  readonly nodes: readonly Uint8Array[];
  readonly initializers?: readonly Uint8Array[];
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

/** A `GraphProto` named `g`. */
export function graphOf(parts: GraphParts): Uint8Array {
  return concatBytes([
    ...parts.nodes.map((node) => field(1, node)),
    field(2, 'g'),
    ...(parts.initializers ?? []).map((tensor) => field(5, tensor)),
    ...parts.inputs.map((value) => field(11, value)),
    ...parts.outputs.map((value) => field(12, value)),
  ]);
}

/** A `ModelProto`, IR version 8, opset 17 of the standard domain. */
export function modelOf(graph: Uint8Array): Uint8Array {
  return concatBytes([field(1, 8), field(7, graph), field(8, field(2, 17))]);
}

/** `y = x + x` over `[n]` floats: enough to prove that a provider creates and runs something. */
export function tinyModel(): Uint8Array {
  return modelOf(
    graphOf({
      nodes: [nodeOf('Add', { inputs: ['x', 'x'], outputs: ['y'] })],
      inputs: [valueOf('x', onnxType.float32, ['n'])],
      outputs: [valueOf('y', onnxType.float32, ['n'])],
    }),
  );
}
