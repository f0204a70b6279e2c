import { Worker } from 'node:worker_threads';
import { builtFile } from '../../../shared/adapters/built-file.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import type { Aggregator, RunningSum, SumPlan } from '../../ports/aggregator.ts';
import type { SumReply, SumRequest } from './aggregator-messages.ts';

interface Waiter {
  readonly resolve: (reply: SumReply) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Sums of all rounds in one worker thread.
 *
 * INVARIANTS
 * - Replies come in request order, so the waiters are a plain queue.
 * - When the thread ends, every waiter is rejected and every open sum is lost; the next `open` starts a new thread.
 */
export class WorkerAggregator implements Aggregator {
  readonly #waiters: Waiter[] = [];
  #worker: Worker | undefined;
  #sums = 0;

  async open(plan: SumPlan): Promise<RunningSum> {
    const worker = this.#start();
    this.#sums += 1;
    const sum = this.#sums;
    const ask = (request: SumRequest, transfer: ArrayBuffer[] = []): Promise<SumReply> =>
      this.#ask(worker, request, transfer);
    await ask({ kind: 'open', sum, plan });
    return {
      add: async (update, votes) => {
        const own = ownBytes(update);
        const reply = await ask({ kind: 'add', sum, update: own, votes }, [own.buffer]);
        invariant(reply.kind === 'added', 'an addition is answered as one');
        return reply.result;
      },
      mean: async () => {
        const reply = await ask({ kind: 'mean', sum });
        invariant(reply.kind === 'mean', 'a mean is answered as one');
        return reply.mean;
      },
      close: async () => {
        if (this.#worker === worker) await ask({ kind: 'close', sum });
      },
    };
  }

  /** Ends the thread; open sums are lost. */
  async stop(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(builtFile(import.meta.url, './aggregator-worker.ts'), {
      name: 'skein-aggregator',
      execArgv: [],
      env: {},
    });
    // A server that has nothing else to do may end.
    worker.unref();
    worker.on('message', (reply: SumReply) => this.#waiters.shift()?.resolve(reply));
    worker.on('error', (cause) => this.#lose(worker, cause));
    worker.on('exit', () => this.#lose(worker, undefined));
    this.#worker = worker;
    return worker;
  }

  #ask(worker: Worker, request: SumRequest, transfer: ArrayBuffer[]): Promise<SumReply> {
    if (this.#worker !== worker) return Promise.reject(lost(undefined));
    return new Promise((resolve, reject) => {
      worker.ref();
      this.#waiters.push({
        resolve: (reply) => {
          if (this.#waiters.length === 0) worker.unref();
          resolve(reply);
        },
        reject,
      });
      worker.postMessage(request, transfer);
    });
  }

  #lose(worker: Worker, cause: unknown): void {
    if (this.#worker === worker) this.#worker = undefined;
    const error = lost(cause);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}

const lost = (cause: unknown): OperatingError =>
  new OperatingError('aggregator-lost', 'the summing thread has ended', { cause, retryable: true });

/** A buffer of its own can be transferred; a view of a larger one is copied. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  return buffer instanceof ArrayBuffer && byteLength === buffer.byteLength
    ? (bytes as Uint8Array<ArrayBuffer>)
    : Uint8Array.from(bytes);
}
