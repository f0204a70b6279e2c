/** Tensors cross rooms as typed arrays with their shape; row-major, little-endian. */
export type TensorType =
  | 'float32'
  | 'float64'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bool';

export interface Tensor {
  readonly type: TensorType;
  readonly shape: readonly number[];
  /** Exactly `product(shape) * bytesPerElement` bytes. */
  readonly bytes: Uint8Array;
}

/** Runs ONNX graphs off the control thread. `run()` of the native library blocks and cannot be cancelled. */
export interface InferenceRuntime {
  /**
   * Loads and returns a session, or throws an OperatingError: `model-load-failed`, `provider-unavailable`,
   * `memory-limit`, `load-timeout`.
   */
  open(options: OpenSession): Promise<InferenceSession>;
  probe(): Promise<RuntimeProof>;
}

/** What was found by creating and running a tiny graph. */
export interface RuntimeProof {
  /** Execution providers that answered, such as `cpu`, `webgpu`. */
  readonly providers: readonly string[];
  /** Of the library that answered, as it says itself; `undefined` where nothing did. */
  readonly version: string | undefined;
}

export interface OpenSession {
  readonly model: ModelSource;
  /** `worker`: committed models. `process`: trials and whatever may hang, because only SIGKILL ends a native call. */
  readonly host: 'worker' | 'process';
  readonly limits: SessionLimits;
  readonly options: SessionOptions;
}

/** A slot on disk (absolute path of the graph, external tensors beside it), or everything in memory. */
export type ModelSource =
  | { readonly kind: 'slot'; readonly graphPath: string }
  | {
      readonly kind: 'memory';
      readonly graph: Uint8Array;
      /** External data by `location`. */
      readonly tensors: ReadonlyMap<string, Uint8Array>;
    };

export interface SessionLimits {
  readonly loadTimeoutMs: number;
  readonly runTimeoutMs: number;
  /** Resident memory of the trial process; judged every 100 ms and answered by SIGKILL. */
  readonly memoryBytesMax: number;
  /** Calls waiting before `run` answers `queue-full`. */
  readonly queueMax: number;
}

/** An enumerated choice, never raw provider options: a bundle cannot pass a path through them. */
export interface SessionOptions {
  readonly provider: 'cpu' | 'webgpu';
  readonly threads: number;
  readonly graphOptimization: 'none' | 'basic' | 'all';
}

export interface InferenceSession {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /**
   * Runs one batch. Input buffers are transferred: do not touch them afterwards. Rejects with an OperatingError:
   * `inference-input-mismatch` (the caller's fault, the session goes on), `inference-failed`, `inference-timeout`
   * (the session is lost; a worker may still hang inside it until its process is killed), `memory-limit`,
   * `session-lost`, `queue-full`.
   */
  run(inputs: ReadonlyMap<string, Tensor>): Promise<InferenceResult>;
  /** Resident bytes of the hosting process, or of the worker's share; `undefined` where that cannot be told. */
  residentBytes(): Promise<number | undefined>;
  /** Calls that run end first, bounded by their deadline; waiting ones are rejected with `session-lost`. */
  close(): Promise<void>;
}

export interface InferenceResult {
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Time inside the native call, milliseconds. */
  readonly runMs: number;
}
