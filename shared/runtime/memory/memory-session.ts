import { OperatingError } from '../../core/operating-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  InferenceResult,
  InferenceSession,
  SessionLimits,
  Tensor,
} from '../../ports/inference-runtime.ts';
import { checkInputs } from '../input-check.ts';
import { lostAfter } from '../session-lost.ts';
import type { MemoryModel } from './memory-model.ts';

export interface MemorySessionOptions {
  readonly model: MemoryModel;
  readonly clock: Clock;
  readonly limits: SessionLimits;
  readonly isMemoryJudged: boolean;
  /** Called once, when the session is lost or closed. */
  onEnd(): void;
}

interface Call {
  readonly inputs: ReadonlyMap<string, Tensor>;
  resolve(result: InferenceResult): void;
  reject(error: OperatingError): void;
}

/** One open model of the in-memory runtime: calls run one after another, as in a thread that blocks. */
export class MemorySession implements InferenceSession {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly #options: MemorySessionOptions;
  readonly #waiting: Call[] = [];
  #runs = 0;
  #residentBytes: number;
  #ending: OperatingError | undefined;
  #working: Promise<void> | undefined;

  constructor(options: MemorySessionOptions) {
    this.#options = options;
    this.#residentBytes = options.model.residentBytes;
    this.inputs = options.model.inputs.map(({ name }) => name);
    this.outputs = options.model.outputs;
  }

  async run(inputs: ReadonlyMap<string, Tensor>): Promise<InferenceResult> {
    if (this.#ending !== undefined) throw lostAfter(this.#ending);
    checkInputs(this.#options.model.inputs, inputs);
    const { queueMax } = this.#options.limits;
    if (this.#working !== undefined && this.#waiting.length >= queueMax) {
      throw new OperatingError('queue-full', `${queueMax} calls wait already`, { retryable: true });
    }
    return new Promise<InferenceResult>((resolve, reject) => {
      this.#waiting.push({ inputs, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  async residentBytes(): Promise<number> {
    return this.#residentBytes;
  }

  async close(): Promise<void> {
    this.#end(new OperatingError('session-lost', 'closed'));
    await this.#working;
  }

  async #work(): Promise<void> {
    for (let call = this.#waiting.shift(); call !== undefined; call = this.#waiting.shift()) {
      await this.#perform(call);
    }
    this.#working = undefined;
  }

  async #perform(call: Call): Promise<void> {
    const { model, limits } = this.#options;
    const answer = model.answer(call.inputs, this.#runs);
    this.#runs += 1;
    const askedMs = answer.kind === 'hangs' ? Infinity : 0;
    const runMs = answer.kind === 'outputs' ? (answer.runMs ?? 0) : askedMs;
    await this.#sleep(Math.min(runMs, limits.runTimeoutMs));
    if (runMs > limits.runTimeoutMs) {
      this.#lose(call, 'inference-timeout', `no answer after ${limits.runTimeoutMs} ms`);
      return;
    }
    this.#residentBytes += model.leakBytes ?? 0;
    if (this.#options.isMemoryJudged && this.#residentBytes > limits.memoryBytesMax) {
      this.#lose(call, 'memory-limit', `resident memory passed ${limits.memoryBytesMax} bytes`);
    } else if (answer.kind === 'crashes') {
      this.#lose(call, 'session-lost', 'the host crashed');
    } else if (answer.kind === 'throws') {
      call.reject(new OperatingError('inference-failed', answer.message));
    } else if (answer.kind === 'outputs') {
      call.resolve({ outputs: answer.outputs, runMs });
    }
  }

  async #sleep(durationMs: number): Promise<void> {
    if (durationMs <= 0) return;
    const { clock } = this.#options;
    await clock.sleepUntil(clock.monotonicMs() + durationMs);
  }

  #lose(call: Call, code: string, message: string): void {
    const reason = new OperatingError(code, message);
    call.reject(reason);
    this.#end(reason);
  }

  #end(reason: OperatingError): void {
    if (this.#ending === undefined) this.#options.onEnd();
    this.#ending ??= reason;
    for (const call of this.#waiting.splice(0)) call.reject(lostAfter(reason));
  }
}
