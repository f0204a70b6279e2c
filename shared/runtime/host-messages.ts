import type { InputDeclaration } from '../contracts/input-misfit.ts';
import type { ModelSource, SessionOptions, TensorType } from '../ports/inference-runtime.ts';

/** What crosses to the thread or process that hosts one session. One shape for both, positional on the hot path. */
export type HostRequest =
  | {
      readonly kind: 'load';
      readonly model: ModelSource;
      readonly options: SessionOptions;
    }
  | {
      readonly kind: 'run';
      /** In the order of `HostReply.loaded.inputs`. */
      readonly tensors: readonly HostTensor[];
    }
  /** Forget what waits and end; heard only between two native calls. */
  | { readonly kind: 'end' };

export type HostReply =
  | {
      readonly kind: 'loaded';
      readonly inputs: readonly InputDeclaration[];
      readonly outputs: readonly string[];
      /** Version of the native library, as it says itself. */
      readonly runtimeVersion: string;
    }
  | { readonly kind: 'load-refused'; readonly code: LoadRefusal; readonly message: string }
  /** In the order of `loaded.outputs`. */
  | { readonly kind: 'ran'; readonly tensors: readonly HostTensor[]; readonly runMs: number }
  | { readonly kind: 'run-failed'; readonly message: string };

export type LoadRefusal = 'model-load-failed' | 'provider-unavailable';

export interface HostTensor {
  readonly type: TensorType;
  readonly shape: readonly number[];
  /** Owns its whole buffer, so that a transfer takes nothing else along. */
  readonly bytes: Uint8Array;
}

/** The parent's end of the line to a host. */
export interface HostLine {
  /** Buffers in `transfer` move where the line can move them, and are copied where it cannot. */
  send(request: HostRequest, transfer: readonly ArrayBuffer[]): void;
  /**
   * Ends the host, idle or hung. A process gets SIGKILL. A worker is asked, and not waited for beyond
   * `workerEndTimeoutMs`: nothing ends it while its native call hangs but the end of the process.
   */
  end(): Promise<void>;
  residentBytes(): Promise<number | undefined>;
}

export interface HostListener {
  reply(reply: HostReply): void;
  /** At most once: the host ended, whoever ended it. `code` is of the catalogue. */
  ended(code: 'session-lost' | 'memory-limit' | 'inference-timeout', message: string): void;
}
