import { OperatingError } from '../../../shared/core/operating-error.ts';
import type {
  InferenceResult,
  InferenceRuntime,
  InferenceSession,
  OpenSession,
  RuntimeProof,
  Tensor,
} from '../../../shared/ports/inference-runtime.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';
import { batched } from './batched-session.ts';

/** Calls of all devices together that may wait for one model. */
const queueMax = 8_192;

/** One model that many devices ask: the session behind it, and how many hold it. */
interface Shared {
  readonly opened: Promise<InferenceSession>;
  holders: number;
}

/**
 * What a self-test in a process of its own found, for the devices after the first. `answers` is by hash of the input: a
 * golden vector is run once for each digest, and each device compares the answer with its own golden set.
 */
interface Trial {
  readonly answers: Map<string, Promise<InferenceResult>>;
  readonly ended: Promise<void>;
  failure: Error | undefined;
}

/**
 * The inference host that in-process devices share behind their own port: one session for each digest, which batches
 * what is asked at once, and one self-test, in a disposable process. A device on a machine of its own has all of this
 * to itself.
 */
export class SharedHost implements InferenceRuntime {
  readonly #runtime: InferenceRuntime;
  readonly #shared = new Map<string, Shared>();
  readonly #trials = new Map<string, Trial>();
  #selfTests = 0;

  constructor(runtime: InferenceRuntime) {
    this.#runtime = runtime;
  }

  /** Digests that were tested in a process of their own. */
  get selfTests(): number {
    return this.#selfTests;
  }

  probe(): Promise<RuntimeProof> {
    return this.#runtime.probe();
  }

  async open(request: OpenSession): Promise<InferenceSession> {
    // A training graph gets its weights as inputs, so that all devices can ask the same session.
    if (request.model.kind === 'memory') {
      return this.#borrow(`training ${sha256Hex(request.model.graph)}`, request, undefined);
    }
    const digest = digestOfSlot(request);
    if (request.host === 'worker') return this.#borrow(digest, request, undefined);
    const trial = this.#trials.get(digest);
    if (trial === undefined) return this.#selfTest(digest, request);
    await trial.ended;
    if (trial.failure !== undefined) throw trial.failure;
    return this.#borrow(digest, request, trial);
  }

  async #selfTest(digest: string, request: OpenSession): Promise<InferenceSession> {
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const trial: Trial = { answers: new Map(), ended, failure: undefined };
    this.#trials.set(digest, trial);
    this.#selfTests += 1;
    try {
      const session = await this.#runtime.open(request);
      return recording(session, trial, end);
    } catch (error) {
      trial.failure = error instanceof Error ? error : new Error('the self-test failed');
      end();
      throw error;
    }
  }

  async #borrow(
    digest: string,
    request: OpenSession,
    trial: Trial | undefined,
  ): Promise<InferenceSession> {
    const known = this.#shared.get(digest);
    const shared = known ?? { opened: this.#openShared(request), holders: 0 };
    if (known === undefined) this.#shared.set(digest, shared);
    shared.holders += 1;
    let session: InferenceSession;
    try {
      session = await shared.opened;
    } catch (error) {
      await this.#release(digest, shared);
      throw error;
    }
    let isClosed = false;
    return {
      inputs: session.inputs,
      outputs: session.outputs,
      run: (inputs) => {
        if (isClosed) return Promise.reject(new OperatingError('session-lost', 'closed'));
        const told = trial?.answers.get(hashOf(inputs));
        return told ?? session.run(inputs);
      },
      // Many devices use it: what one of them holds cannot be told.
      residentBytes: async () => undefined,
      close: async () => {
        if (isClosed) return;
        isClosed = true;
        await this.#release(digest, shared);
      },
    };
  }

  async #openShared(request: OpenSession): Promise<InferenceSession> {
    const limits = { ...request.limits, queueMax };
    const session = await this.#runtime.open({ ...request, host: 'worker', limits });
    // A training graph's rows belong together.
    return request.model.kind === 'slot' ? batched(session) : session;
  }

  async #release(digest: string, shared: Shared): Promise<void> {
    shared.holders -= 1;
    if (shared.holders > 0) return;
    if (this.#shared.get(digest) === shared) this.#shared.delete(digest);
    const session = await shared.opened.catch(() => undefined);
    await session?.close();
  }
}

function recording(session: InferenceSession, trial: Trial, end: () => void): InferenceSession {
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    run: (inputs) => {
      const hash = hashOf(inputs);
      const answer = session.run(inputs);
      trial.answers.set(hash, answer);
      return answer;
    },
    residentBytes: () => session.residentBytes(),
    close: async () => {
      await session.close();
      end();
    },
  };
}

/** Slots are folders of hard links named by digest: equal names hold equal files, on every device. */
function digestOfSlot({ model }: OpenSession): string {
  const hex = model.kind === 'slot' ? model.graphPath.split('/').at(-2) : undefined;
  if (hex === undefined) throw new OperatingError('model-load-failed', 'only slots are shared');
  return hex;
}

const hashOf = (inputs: ReadonlyMap<string, Tensor>): string =>
  [...inputs].map(([name, { bytes }]) => `${name} ${sha256Hex(bytes)}`).join();
