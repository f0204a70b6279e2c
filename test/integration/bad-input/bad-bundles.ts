import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import { concatBytes, utf8 } from '../../../shared/core/bytes.ts';
import { field, graphOf, modelOf, nodeOf, onnxType } from '../../../shared/runtime/graph-bytes.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { externalModel } from '../../support/onnx-graphs.ts';

/** The bundle without its last layer: signed as it is, and still not whole. */
export function inconsistentBundle(bundle: PackedBundle): PackedBundle {
  const whole = JSON.parse(Buffer.from(bundle.manifest).toString()) as { layers: object[] };
  const manifest = utf8(JSON.stringify({ ...whole, layers: whole.layers.slice(0, -1) }));
  return { ...bundle, manifest, digest: digestOf(manifest) };
}

/** Its configuration with another default answer than the workshop would have packed; the hashes fit. */
export function withDefaultAnswer(
  bundle: PackedBundle,
  defaultAnswer: BundleConfig['defaultAnswer'],
): PackedBundle {
  const config = { ...bundle.config, ...(defaultAnswer === undefined ? {} : { defaultAnswer }) };
  const configBytes = utf8(JSON.stringify(config));
  const own = { digest: digestOf(configBytes), size: configBytes.length };
  const whole = JSON.parse(Buffer.from(bundle.manifest).toString()) as { config: object };
  const manifest = utf8(JSON.stringify({ ...whole, config: { ...whole.config, ...own } }));
  const blobs = new Map([...bundle.blobs, [own.digest, configBytes] as const]);
  return { digest: digestOf(manifest), manifest, config, blobs };
}

export interface RefusedGraph {
  readonly code: ErrorCode;
  readonly title: string;
  readonly graph: () => Uint8Array;
}

const relu = (domain = '', operator = 'Relu'): Uint8Array =>
  concatBytes([nodeOf(operator, { inputs: ['x'], outputs: ['y'] }), field(7, domain)]);

const model = (...nodes: readonly Uint8Array[]): Uint8Array =>
  modelOf(graphOf({ nodes, inputs: [], outputs: [] }));

/** One tensor of four floats with so many raw bytes. */
const tensor = (dimension: number, rawBytes: number): Uint8Array =>
  concatBytes([
    ...[field(1, dimension), field(2, onnxType.float32), field(8, 'w')],
    field(9, new Uint8Array(rawBytes)),
  ]);

const withTensors = (...initializers: readonly Uint8Array[]): Uint8Array =>
  modelOf(graphOf({ nodes: [relu()], initializers, inputs: [], outputs: [] }));

function nested(levels: number): Uint8Array {
  let node = relu();
  for (let level = 0; level < levels; level += 1) {
    const body = concatBytes([field(1, 'body'), field(6, field(1, node))]);
    node = concatBytes([field(4, 'If'), field(5, body)]);
  }
  return model(node);
}

/** A function of the model's own that is made of itself. */
const recursive = (): Uint8Array => {
  const call = concatBytes([field(4, 'f'), field(7, 'own')]);
  const itself = concatBytes([field(1, 'f'), field(10, 'own'), field(7, call)]);
  return concatBytes([model(relu('own', 'f')), field(25, itself)]);
};

export const refusedGraphs: readonly RefusedGraph[] = [
  { code: 'onnx-malformed', title: 'is cut off', graph: () => model(relu()).slice(0, -3) },
  {
    code: 'onnx-too-large',
    title: 'has a tensor above every limit',
    graph: () => withTensors(tensor(2 ** 30, 0)),
  },
  { code: 'onnx-too-deep', title: 'nests forty levels', graph: () => nested(40) },
  {
    code: 'onnx-unknown-field',
    title: 'has a field that nobody knows',
    graph: () => concatBytes([model(relu()), field(99, 'x')]),
  },
  {
    code: 'onnx-duplicate',
    title: 'is there twice, for a parser to merge',
    graph: () => concatBytes([model(relu()), field(7, field(2, 'second'))]),
  },
  {
    code: 'onnx-tensor-invalid',
    title: 'has a tensor with too few bytes',
    graph: () => withTensors(tensor(4, 15)),
  },
  {
    code: 'onnx-external-location',
    title: 'reads a file outside its folder',
    graph: () => externalModel('../../etc/passwd', 2048),
  },
  {
    code: 'onnx-external-range',
    title: 'reads beyond the end of its blob',
    graph: () => externalModel('w', 4096),
  },
  {
    code: 'onnx-operator-refused',
    title: 'uses a foreign operator',
    graph: () => model(relu('org.example', 'Magic')),
  },
  {
    code: 'onnx-ep-context',
    title: 'brings compiled code',
    graph: () => model(relu('com.microsoft', 'EPContext')),
  },
  { code: 'onnx-function-invalid', title: 'calls itself', graph: recursive },
];
