import { create } from '@bufbuild/protobuf';
import { invariant } from '../../shared/core/invariant.ts';
import type { Tensor, TensorType } from '../../shared/ports/inference-runtime.ts';
import { type AttributeValue, attributeOf } from './attribute.ts';
import { elementTypes } from './element-type.ts';
import type { GraphProto, ModelProto, NodeProto, ValueInfoProto } from './generated/onnx_pb.ts';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.ts';
import { tensorOf, tensorProtoOf } from './tensor.ts';

/** A symbolic dimension is its name, such as `batch`. */
export type Shape = readonly (number | string)[];

export interface ValueForm {
  readonly type: TensorType;
  readonly shape: Shape;
}

export interface NodeOptions {
  /** Names of the outputs; by default one, drawn from the operator's name. */
  readonly outputs?: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

export const builtOpset = 21;
const builtIrVersion = 10n;

/** Writes a graph node by node, in execution order. A value is its name; a name is given out once. */
export class GraphBuilder {
  readonly #graph: GraphProto;
  readonly #names = new Set<string>();

  constructor(name: string) {
    this.#graph = create(GraphProtoSchema, { name });
  }

  input(name: string, form: ValueForm): string {
    this.#claim(name);
    this.#graph.input.push(valueInfoOf(name, form));
    return name;
  }

  /** Declares a value computed by a node as an output. */
  output(name: string, form: ValueForm): void {
    invariant(this.#names.has(name), `output ${name} is computed by no node`);
    this.#graph.output.push(valueInfoOf(name, form));
  }

  initializer(name: string, tensor: Tensor): string {
    this.#claim(name);
    this.#graph.initializer.push(tensorProtoOf(name, tensor));
    return name;
  }

  /** A small constant: `floats([])` of one value is a scalar when the shape is empty. */
  constant(type: TensorType, shape: readonly number[], values: readonly number[]): string {
    return this.initializer(this.#fresh('constant'), tensorOf(type, shape, values));
  }

  /** Adds a node and returns its first output. An empty input name leaves an optional input out. */
  node(operator: string, inputs: readonly string[], options: NodeOptions = {}): string {
    const outputs = options.outputs ?? [this.#fresh(operator.toLowerCase())];
    for (const output of outputs) this.#claim(output);
    const attribute = Object.entries(options.attributes ?? {}).map(([name, value]) =>
      attributeOf(name, value),
    );
    const node: NodeProto = create(NodeProtoSchema, {
      name: `${operator}/${outputs[0] ?? ''}`,
      opType: operator,
      input: [...inputs],
      output: [...outputs],
      attribute,
    });
    this.#graph.node.push(node);
    return outputs[0] ?? '';
  }

  /** The graph alone, as the body of a Loop or If. */
  graph(): GraphProto {
    return this.#graph;
  }

  model(): ModelProto {
    return create(ModelProtoSchema, {
      irVersion: builtIrVersion,
      producerName: 'skein',
      graph: this.#graph,
      opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(builtOpset) })],
    });
  }

  #claim(name: string): void {
    invariant(!this.#names.has(name), `value ${name} is defined twice`);
    this.#names.add(name);
  }

  #fresh(stem: string): string {
    let number = this.#names.size;
    while (this.#names.has(`${stem}_${number}`)) number += 1;
    return `${stem}_${number}`;
  }
}

function valueInfoOf(name: string, form: ValueForm): ValueInfoProto {
  const dim = form.shape.map((size) => ({
    value:
      typeof size === 'number'
        ? { case: 'dimValue' as const, value: BigInt(size) }
        : { case: 'dimParam' as const, value: size },
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: { elemType: elementTypes[form.type], shape: { dim } },
      },
    },
  });
}
