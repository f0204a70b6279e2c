import { limits } from '../contracts/limits.ts';
import { err, ok, type Result } from '../core/result.ts';
import { allowedBy, epContextWord, type OnnxAllowance } from './onnx-allowance.ts';
import { onnxForms } from './onnx-forms.ts';
import { createCallGraph } from './onnx-guard-calls.ts';
import {
  integerOf,
  messagesOf,
  type OnnxRefusal,
  textField,
  textsOf,
} from './onnx-guard-fields.ts';
import { guardSparseTensor, guardTensor } from './onnx-guard-tensor.ts';
import { runtimeDomain, runtimeOperators, standardDomains } from './onnx-operators.ts';
import { type SkimMessage, skimProtobuf } from './protobuf-skim.ts';

export interface GuardOptions {
  /** Size in bytes of each blob the manifest lists, by the bare name a tensor may give as `location`. */
  readonly blobs: ReadonlyMap<string, number>;
  readonly allow?: OnnxAllowance;
  /** Defaults to the limit for graphs in bundles, whose weights lie outside. */
  readonly graphBytesMax?: number;
}

/** What the guard saw of a graph it let pass. */
export interface GuardedOnnx {
  /** Blob names that tensors use, sorted. */
  readonly locations: readonly string[];
  /** Nodes of the graph, its subgraphs and training graphs, functions counted at each call. */
  readonly nodes: number;
  /** Bytes of all tensors, inline and external. */
  readonly tensorBytes: number;
  readonly opsets: ReadonlyMap<string, number>;
}

/**
 * Looks at an ONNX model before the runtime does: size, nesting, duplicates, shapes, external ranges and
 * operators. Time and memory are linear in the input and bounded by `limits`. Not judged: whether the graph is
 * valid ONNX (the runtime's work) or good (the golden vectors' work).
 */
export function guardOnnx(
  graph: Uint8Array,
  options: GuardOptions,
): Result<GuardedOnnx, OnnxRefusal> {
  const graphBytesMax = options.graphBytesMax ?? limits.onnxGraphBytesMax;
  if (graph.length > graphBytesMax) {
    return err({ code: 'onnx-too-large', message: `the graph exceeds ${graphBytesMax} bytes` });
  }
  const skimmed = skimOnnx(graph, 'refuse');
  if (!skimmed.ok) return skimmed;
  return new Guard(skimmed.value, options).judge();
}

/** The form alone, for readers that judge the content themselves. */
export const skimOnnx = (
  graph: Uint8Array,
  unknownFields: 'refuse' | 'skip',
): Result<SkimMessage, OnnxRefusal> =>
  skimProtobuf(graph, {
    form: 'Model',
    forms: onnxForms,
    bounds: { depthMax: limits.onnxDepthMax, fieldsMax: limits.onnxFieldsMax, unknownFields },
  });

class Guard {
  readonly #model: SkimMessage;
  readonly #options: GuardOptions;
  readonly #domains: ReadonlySet<string>;
  readonly #calls = createCallGraph();
  readonly #locations = new Set<string>();
  #tensorBytes = 0;
  #refusal: OnnxRefusal | undefined;

  constructor(model: SkimMessage, options: GuardOptions) {
    this.#model = model;
    this.#options = options;
    this.#domains = new Set([...standardDomains, ...(options.allow?.domains ?? [])]);
  }

  judge(): Result<GuardedOnnx, OnnxRefusal> {
    const graphs = messagesOf(this.#model, 'graph');
    if (graphs.length === 0) this.#refuse('onnx-malformed', 'the model has no graph');
    this.#unique('metadata key', messagesOf(this.#model, 'metadata_props'), 'key');
    const opsets = this.#opsets(this.#model);
    this.#declareFunctions();
    for (const graph of graphs) this.#graph(graph, '');
    for (const training of messagesOf(this.#model, 'training_info')) {
      for (const graph of messagesOf(training, 'initialization')) this.#graph(graph, '');
      for (const graph of messagesOf(training, 'algorithm')) this.#graph(graph, '');
    }
    for (const definition of messagesOf(this.#model, 'functions')) this.#function(definition);
    if (this.#refusal !== undefined) return err(this.#refusal);
    const nodes = this.#calls.expandedNodes(limits.onnxNodesMax);
    if (!nodes.ok) return nodes;
    return ok({
      locations: [...this.#locations].sort(),
      nodes: nodes.value,
      tensorBytes: this.#tensorBytes,
      opsets,
    });
  }

  #refuse(code: OnnxRefusal['code'], message: string): void {
    this.#refusal ??= { code, message };
  }

  #opsets(owner: SkimMessage): Map<string, number> {
    const opsets = new Map<string, number>();
    for (const entry of messagesOf(owner, 'opset_import')) {
      const domain = textField(entry, 'domain');
      if (opsets.has(domain)) this.#refuse('onnx-duplicate', `opset of domain "${domain}" twice`);
      opsets.set(domain, Number(integerOf(entry, 'version') ?? 0n));
    }
    return opsets;
  }

  #declareFunctions(): void {
    for (const definition of messagesOf(this.#model, 'functions')) {
      const domain = textField(definition, 'domain');
      const key = functionKey(definition, 'name');
      // A function in a standard domain would change what a standard operator means, or lend EPContext a body.
      if (standardDomains.has(domain) || /^(ai\.onnx|com\.microsoft)(\.|$)/.test(domain)) {
        this.#refuse('onnx-function-invalid', `function ${key} stands in a reserved domain`);
      }
      if (!this.#calls.declare(key)) this.#refuse('onnx-duplicate', `function ${key} stands twice`);
    }
  }

  #function(definition: SkimMessage): void {
    const key = functionKey(definition, 'name');
    this.#opsets(definition);
    this.#nodes(messagesOf(definition, 'node'), key);
    this.#attributes(messagesOf(definition, 'attribute_proto'), key);
  }

  /** `caller` is the function whose body the graph belongs to, or empty for the model itself. */
  #graph(graph: SkimMessage, caller: string): void {
    const tensors = messagesOf(graph, 'initializer');
    const sparse = messagesOf(graph, 'sparse_initializer');
    const sparseValues = sparse.flatMap((each) => messagesOf(each, 'values'));
    this.#unique('initializer', [...tensors, ...sparseValues], 'name');
    this.#unique('input', messagesOf(graph, 'input'), 'name');
    this.#unique('output', messagesOf(graph, 'output'), 'name');
    this.#unique('metadata key', messagesOf(graph, 'metadata_props'), 'key');
    for (const tensor of tensors) this.#tensor(tensor);
    for (const each of sparse) this.#sparse(each);
    this.#nodes(messagesOf(graph, 'node'), caller);
  }

  #nodes(nodes: readonly SkimMessage[], caller: string): void {
    const outputs = new Set<string>();
    for (const node of nodes) {
      if (this.#refusal !== undefined) return;
      this.#operator(node, caller);
      for (const output of textsOf(node, 'output')) {
        if (output !== '' && outputs.has(output)) {
          this.#refuse('onnx-duplicate', `value ${output} is computed twice`);
        }
        outputs.add(output);
      }
      this.#attributes(messagesOf(node, 'attribute'), caller);
    }
  }

  #operator(node: SkimMessage, caller: string): void {
    const domain = textField(node, 'domain');
    const operator = textField(node, 'op_type');
    const allow = this.#options.allow;
    this.#calls.countNode(caller);
    if (operator.includes('EPContext')) {
      if (allow?.epContext !== true) {
        const carrier = `node ${textField(node, 'name')} carries compiled code`;
        this.#refuse('onnx-ep-context', carrier + allowedBy(epContextWord));
      }
      return;
    }
    if (domain === runtimeDomain && runtimeOperators.has(operator)) return;
    if (this.#calls.call(caller, functionKey(node, 'op_type'))) return;
    if (this.#domains.has(domain)) return;
    const refused = `operator ${domain}::${operator} is not allowed`;
    this.#refuse('onnx-operator-refused', refused + allowedBy(domain));
  }

  #attributes(attributes: readonly SkimMessage[], caller: string): void {
    this.#unique('attribute', attributes, 'name');
    for (const attribute of attributes) {
      for (const tensor of messagesOf(attribute, 't')) this.#tensor(tensor);
      for (const tensor of messagesOf(attribute, 'tensors')) this.#tensor(tensor);
      for (const each of messagesOf(attribute, 'sparse_tensor')) this.#sparse(each);
      for (const each of messagesOf(attribute, 'sparse_tensors')) this.#sparse(each);
      for (const graph of messagesOf(attribute, 'g')) this.#graph(graph, caller);
      for (const graph of messagesOf(attribute, 'graphs')) this.#graph(graph, caller);
    }
  }

  #tensor(tensor: SkimMessage): void {
    const guarded = guardTensor(tensor, this.#tensorContext());
    if (!guarded.ok) this.#refuse(guarded.error.code, guarded.error.message);
    else this.#count([guarded.value]);
  }

  #sparse(sparse: SkimMessage): void {
    const guarded = guardSparseTensor(sparse, this.#tensorContext());
    if (!guarded.ok) this.#refuse(guarded.error.code, guarded.error.message);
    else this.#count(guarded.value);
  }

  #tensorContext(): { blobs: ReadonlyMap<string, number>; tensorBytesMax: number } {
    return { blobs: this.#options.blobs, tensorBytesMax: limits.onnxTensorBytesMax };
  }

  #count(tensors: readonly { readonly bytes: number; readonly location?: string }[]): void {
    for (const tensor of tensors) {
      this.#tensorBytes += tensor.bytes;
      if (tensor.location !== undefined) this.#locations.add(tensor.location);
    }
  }

  #unique(what: string, messages: readonly SkimMessage[], field: string): void {
    const seen = new Set<string>();
    for (const message of messages) {
      const name = textField(message, field);
      if (seen.has(name)) this.#refuse('onnx-duplicate', `${what} ${name} stands twice`);
      seen.add(name);
    }
  }
}

/** Domain, name and overload together name a function; a node calls it by the same three. */
const functionKey = (message: SkimMessage, nameField: string): string =>
  JSON.stringify([
    textField(message, 'domain'),
    textField(message, nameField),
    textField(message, 'overload'),
  ]);
