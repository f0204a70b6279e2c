import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
} from './generated/onnx_pb.ts';

/** Initializers of the graph and of all its subgraphs, in the order they stand in the file. */
export function initializersOf(model: ModelProto): readonly TensorProto[] {
  const found: TensorProto[] = [];
  if (model.graph !== undefined) ofGraph(model.graph, found);
  return found;
}

function ofGraph(graph: GraphProto, found: TensorProto[]): void {
  found.push(...graph.initializer);
  for (const node of graph.node) ofNode(node, found);
}

function ofNode(node: NodeProto, found: TensorProto[]): void {
  for (const attribute of node.attribute) {
    for (const graph of subgraphsOf(attribute)) ofGraph(graph, found);
  }
}

const subgraphsOf = (attribute: AttributeProto): readonly GraphProto[] =>
  attribute.g === undefined ? attribute.graphs : [attribute.g, ...attribute.graphs];
