import {
  env,
  InferenceSession,
  listSupportedBackends,
  Tensor as NativeTensor,
} from 'onnxruntime-node';
import { elementBytes } from '../contracts/element-bytes.ts';
import type { InputDeclaration } from '../contracts/input-misfit.ts';
import { OperatingError } from '../core/operating-error.ts';
import type { ModelSource, SessionOptions, TensorType } from '../ports/inference-runtime.ts';
import type { HostTensor } from './host-messages.ts';

/** A session of the native library, on the thread that calls it. `run` blocks that thread. */
export interface NativeSession {
  readonly inputs: readonly InputDeclaration[];
  readonly outputs: readonly string[];
  /** Inputs and outputs in declared order. Rejects with the library's own error. */
  run(inputs: readonly HostTensor[]): Promise<readonly HostTensor[]>;
}

/** Of the library in this thread or process; a file beside it could say anything. */
export const nativeVersion = (): string => env.versions.node ?? env.versions.common;

/** Throws `model-load-failed` or `provider-unavailable`, the library's error as cause. */
export async function openNativeSession(
  model: ModelSource,
  options: SessionOptions,
): Promise<NativeSession> {
  const isBuiltIn = listSupportedBackends().some((backend) => backend.name === options.provider);
  if (!isBuiltIn) {
    throw new OperatingError('provider-unavailable', `${options.provider} is not in this build`);
  }
  const native = await create(model, nativeOptions(options)).catch((cause: unknown) => {
    throw refusalOf(options, cause);
  });
  const inputs = declarationsOf('input', native.inputMetadata);
  const outputs = declarationsOf('output', native.outputMetadata).map(({ name }) => name);
  return {
    inputs,
    outputs,
    run: async (tensors) => {
      const feeds: Record<string, NativeTensor> = {};
      inputs.forEach(({ name }, index) => {
        const tensor = tensors[index];
        if (tensor !== undefined) feeds[name] = toNative(tensor);
      });
      const results = await native.run(feeds);
      return outputs.map((name) => fromNative(name, results[name]));
    },
  };
}

async function create(
  model: ModelSource,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  // By path, the library maps the external tensors that lie beside the graph instead of copying them.
  if (model.kind === 'slot') return InferenceSession.create(model.graphPath, options);
  const externalData = [...model.tensors].map(([path, data]) => ({ path, data }));
  return InferenceSession.create(model.graph, { ...options, externalData });
}

function nativeOptions(options: SessionOptions): InferenceSession.SessionOptions {
  const session = {
    // Spinning threads burn several times the CPU of the run itself for a fraction of a millisecond.
    intra_op: { allow_spinning: '0' },
    inter_op: { allow_spinning: '0' },
    // Without this, what the provider cannot run goes to the CPU in silence.
    ...(options.provider === 'cpu' ? {} : { disable_cpu_ep_fallback: '1' }),
  };
  return {
    executionProviders: [options.provider],
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel:
      options.graphOptimization === 'none' ? 'disabled' : options.graphOptimization,
    // Errors are thrown as well; the library's coloured copies on stderr help nobody.
    logSeverityLevel: 4,
    extra: { session },
  };
}

/** The library's errors carry no code; with another provider than cpu its name or the fallback stands in the text. */
function refusalOf(options: SessionOptions, cause: unknown): OperatingError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const isProvider =
    options.provider !== 'cpu' && /webgpu|backend not found|fallback to CPU EP/i.test(text);
  return new OperatingError(
    isProvider ? 'provider-unavailable' : 'model-load-failed',
    firstLineOf(text),
    { cause },
  );
}

function firstLineOf(text: string): string {
  return (text.split('\n').find((line) => line.trim() !== '') ?? 'no reason given').slice(0, 500);
}

function declarationsOf(
  side: 'input' | 'output',
  metadata: readonly InferenceSession.ValueMetadata[],
): InputDeclaration[] {
  return metadata.map((value) => {
    if (!value.isTensor || !isTensorType(value.type)) {
      const found = value.isTensor ? value.type : 'not a tensor';
      throw new OperatingError('model-load-failed', `${side} ${value.name} is ${found}`);
    }
    return { name: value.name, type: value.type, shape: value.shape };
  });
}

const isTensorType = (type: string): type is TensorType => Object.hasOwn(elementBytes, type);

type View = new (buffer: ArrayBuffer, byteOffset: number, length: number) => ArrayBufferView;

const views: Readonly<Record<TensorType, View>> = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

function toNative({ type, shape, bytes }: HostTensor): NativeTensor {
  const size = elementBytes[type];
  // A line that copies may hand over a view at any offset; a typed array needs a multiple of its element.
  const isAligned = bytes.byteOffset % size === 0 && bytes.buffer instanceof ArrayBuffer;
  const owned = isAligned ? bytes : Uint8Array.from(bytes);
  const view = new views[type](
    owned.buffer as ArrayBuffer,
    owned.byteOffset,
    owned.byteLength / size,
  );
  // The constructor is overloaded by type; the map above pairs each type with its array.
  return new NativeTensor(type, view as never, shape);
}

function fromNative(name: string, tensor: NativeTensor | undefined): HostTensor {
  if (tensor === undefined || !isTensorType(tensor.type) || !ArrayBuffer.isView(tensor.data)) {
    throw new Error(`output ${name} is no numeric tensor`);
  }
  const { buffer, byteOffset, byteLength } = tensor.data;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  return {
    type: tensor.type,
    shape: tensor.dims,
    bytes: byteLength === buffer.byteLength ? bytes : bytes.slice(),
  };
}
