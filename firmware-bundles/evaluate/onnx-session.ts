import * as ort from 'onnxruntime-node';
import type { Tensor, TensorType } from '../../shared/ports/inference-runtime.ts';

/**
 * Runs a graph in the calling thread: right for the workshop, which is itself a disposable process, and wrong
 * for anything that must answer meanwhile (the agent's sessions live in `shared/runtime`).
 */
export interface OnnxSession {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  run(inputs: Readonly<Record<string, Tensor>>): Promise<ReadonlyMap<string, Tensor>>;
  close(): Promise<void>;
}

/** Runtime and version that evidence was measured with. */
export const runtimeName = `onnxruntime ${ort.env.versions.common}`;

export async function openOnnxSession(options: {
  readonly graph: Uint8Array;
  /** External data by location. */
  readonly tensors?: ReadonlyMap<string, Uint8Array>;
  readonly threads?: number;
}): Promise<OnnxSession> {
  const session = await ort.InferenceSession.create(options.graph, {
    executionProviders: ['cpu'],
    intraOpNumThreads: options.threads ?? 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    externalData: [...(options.tensors ?? [])].map(([path, data]) => ({ path, data })),
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  });
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    run: async (inputs) => {
      const feeds: Record<string, ort.Tensor> = {};
      for (const [name, tensor] of Object.entries(inputs)) feeds[name] = toNative(tensor);
      const answers = await session.run(feeds);
      return new Map(Object.entries(answers).map(([name, tensor]) => [name, fromNative(tensor)]));
    },
    close: () => session.release(),
  };
}

const views = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const;

function toNative(tensor: Tensor): ort.Tensor {
  // A copy starts at offset zero, which every element type is aligned to.
  const data = new views[tensor.type](tensor.bytes.slice().buffer);
  return new ort.Tensor(tensor.type, data, tensor.shape);
}

function fromNative(tensor: ort.Tensor): Tensor {
  const data = tensor.data;
  if (!ArrayBuffer.isView(data)) throw new TypeError('string tensors are not evaluated');
  return {
    type: tensor.type as TensorType,
    shape: tensor.dims,
    bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice(),
  };
}
