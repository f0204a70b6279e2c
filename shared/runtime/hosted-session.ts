import type { InputDeclaration } from '../contracts/input-misfit.ts';
import { limits } from '../contracts/limits.ts';
import { invariant } from '../core/invariant.ts';
import { OperatingError } from '../core/operating-error.ts';
import type {
  InferenceResult,
  InferenceSession,
  OpenSession,
  SessionLimits,
  Tensor,
} from '../ports/inference-runtime.ts';
import { Deadline } from './deadline.ts';
import type { HostLine, HostListener, HostReply, HostTensor } from './host-messages.ts';
import { checkInputs } from './input-check.ts';
import { lostAfter } from './session-lost.ts';

export type StartLine = (listener: HostListener) => HostLine | Promise<HostLine>;

interface Call {
  readonly tensors: readonly HostTensor[];
  readonly transfer: readonly ArrayBuffer[];
  resolve(result: InferenceResult): void;
  reject(error: OperatingError): void;
}

/**
 * The caller's side of a session that lives in a worker or a process: a bounded queue, a deadline per run, and the
 * translation of every end into a coded error.
 *
 * INVARIANTS
 * - Each accepted call settles exactly once, in the order of acceptance.
 * - At most `sessionRunsAhead` calls are at the host; only the first of them is on the clock.
 * - After `#ending` is set nothing is accepted, and nothing is sent.
 */
export class HostedSession implements InferenceSession, HostListener {
  inputs: readonly string[] = [];
  outputs: readonly string[] = [];
  /** Of the library that loaded the model. */
  runtimeVersion = '';
  readonly #limits: SessionLimits;
  readonly #deadline = new Deadline();
  readonly #waiting: Call[] = [];
  readonly #atHost: Call[] = [];
  #declared: readonly InputDeclaration[] = [];
  #line: HostLine | undefined;
  #load: PromiseWithResolvers | undefined;
  #ending: OperatingError | undefined;
  #ended: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  private constructor(sessionLimits: SessionLimits) {
    this.#limits = sessionLimits;
  }

  /** Starts the host and loads the model; on failure the host is gone before the error is thrown. */
  static async open(
    request: Pick<OpenSession, 'model' | 'limits' | 'options'>,
    start: StartLine,
  ): Promise<HostedSession> {
    const session = new HostedSession(request.limits);
    const line = await start(session);
    session.#line = line;
    const load = withResolvers();
    session.#load = load;
    session.#deadline.arm(request.limits.loadTimeoutMs, () =>
      session.#lose('load-timeout', `not loaded after ${request.limits.loadTimeoutMs} ms`),
    );
    if (session.#ending === undefined) {
      line.send({ kind: 'load', model: request.model, options: request.options }, []);
    } else {
      load.reject(session.#ending);
    }
    try {
      await load.promise;
      return session;
    } catch (error) {
      await (session.#ended ?? line.end());
      throw error;
    } finally {
      session.#deadline.disarm();
      session.#load = undefined;
    }
  }

  async run(inputs: ReadonlyMap<string, Tensor>): Promise<InferenceResult> {
    if (this.#ending !== undefined) throw lostAfter(this.#ending);
    const tensors = checkInputs(this.#declared, inputs);
    // The running call does not wait, and neither does its place in the bound.
    if (this.#atHost.length + this.#waiting.length > this.#limits.queueMax) {
      throw new OperatingError('queue-full', `${this.#limits.queueMax} calls wait already`, {
        retryable: true,
      });
    }
    return new Promise<InferenceResult>((resolve, reject) => {
      this.#waiting.push({ ...owned(tensors), resolve, reject });
      this.#feed();
    });
  }

  async residentBytes(): Promise<number | undefined> {
    return this.#line?.residentBytes();
  }

  /** What the host has begun ends first, bounded by its deadline; what still waits is rejected with `session-lost`. */
  async close(): Promise<void> {
    this.#ended ??= this.#endAfterRunning();
    await this.#ended;
  }

  reply(reply: HostReply): void {
    switch (reply.kind) {
      case 'loaded':
        this.#declared = reply.inputs;
        this.inputs = reply.inputs.map(({ name }) => name);
        this.outputs = reply.outputs;
        this.runtimeVersion = reply.runtimeVersion;
        this.#load?.resolve();
        return;
      case 'load-refused':
        this.#load?.reject(new OperatingError(reply.code, reply.message));
        return;
      case 'ran': {
        const outputs = new Map<string, Tensor>();
        this.outputs.forEach((name, index) => {
          const tensor = reply.tensors[index];
          if (tensor !== undefined) outputs.set(name, tensor);
        });
        this.#settleFirst()?.resolve({ outputs, runMs: reply.runMs });
        return;
      }
      case 'run-failed':
        this.#settleFirst()?.reject(new OperatingError('inference-failed', reply.message));
        return;
    }
  }

  ended(code: 'session-lost' | 'memory-limit' | 'inference-timeout', message: string): void {
    // While loading, a host that dies by itself was ended by the model.
    const whileLoading = {
      'session-lost': 'model-load-failed',
      'inference-timeout': 'load-timeout',
    };
    const isLoading = this.#load !== undefined && code !== 'memory-limit';
    this.#lose(isLoading ? whileLoading[code] : code, message);
  }

  #feed(): void {
    if (this.#ending !== undefined) return;
    while (this.#waiting.length > 0 && this.#atHost.length < limits.sessionRunsAhead) {
      const call = this.#waiting.shift();
      invariant(call !== undefined && this.#line !== undefined, 'a call and a line to send it on');
      this.#atHost.push(call);
      this.#line.send({ kind: 'run', tensors: call.tensors }, call.transfer);
      if (this.#atHost.length === 1) this.#watchFirst();
    }
  }

  #settleFirst(): Call | undefined {
    const call = this.#atHost.shift();
    if (this.#atHost.length > 0) this.#watchFirst();
    else {
      this.#deadline.disarm();
      this.#idle?.();
    }
    this.#feed();
    return call;
  }

  #watchFirst(): void {
    this.#deadline.arm(this.#limits.runTimeoutMs, this.#timedOut);
  }

  /** One function for the session's life: arming the deadline allocates nothing. */
  readonly #timedOut = (): void => {
    this.#lose('inference-timeout', `no answer after ${this.#limits.runTimeoutMs} ms`);
  };

  #lose(code: string, message: string): void {
    const wasLost = this.#ending !== undefined && this.#idle === undefined;
    if (wasLost) return;
    const reason = new OperatingError(code, message);
    this.#ending = reason;
    this.#deadline.clear();
    this.#ended ??= this.#line?.end();
    this.#load?.reject(reason);
    // Only the first was running; the others are lost with the host and may be tried elsewhere.
    this.#atHost.shift()?.reject(reason);
    for (const call of this.#atHost.splice(0)) call.reject(lostAfter(reason));
    this.#rejectWaiting(reason);
    this.#idle?.();
  }

  #rejectWaiting(reason: OperatingError): void {
    for (const call of this.#waiting.splice(0)) call.reject(lostAfter(reason));
  }

  async #endAfterRunning(): Promise<void> {
    this.#ending = new OperatingError('session-lost', 'closed');
    this.#rejectWaiting(this.#ending);
    if (this.#atHost.length > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
      this.#idle = undefined;
    }
    this.#deadline.clear();
    await this.#line?.end();
  }
}

/** Buffers that can be transferred: a view into a larger, shared or repeated buffer is copied first. */
function owned(tensors: readonly Tensor[]): Pick<Call, 'tensors' | 'transfer'> {
  const transfer: ArrayBuffer[] = [];
  const hostTensors = tensors.map((tensor) => {
    const { buffer, byteLength } = tensor.bytes;
    const isOwn =
      buffer instanceof ArrayBuffer &&
      byteLength === buffer.byteLength &&
      !transfer.includes(buffer);
    const bytes = isOwn ? tensor.bytes : Uint8Array.from(tensor.bytes);
    transfer.push(bytes.buffer as ArrayBuffer);
    return { type: tensor.type, shape: tensor.shape, bytes };
  });
  return { tensors: hostTensors, transfer };
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: OperatingError): void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve: () => void = () => undefined;
  let reject: (error: OperatingError) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
