import { readResponseHead, tooLarge } from '../../shared/codec/response-head.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Fetcher, FetchRequest, FetchResponse } from '../../shared/ports/fetcher.ts';

/** What the origin sees: header names in lower case. */
export interface OriginRequest {
  readonly method: FetchRequest['method'];
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

export interface OriginResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

export type OriginHandler = (request: OriginRequest) => Promise<OriginResponse>;

/** What is wrong with the way to the origin, as data; a scenario changes it in the middle of a run. */
export interface FetcherFaults {
  /** No connection comes about. */
  isCut: boolean;
  /** Before the head arrives. */
  latencyMs: number;
  bytesPerSecond: number;
  /** The connection breaks after so many body bytes. */
  truncateAfterBytes?: number | undefined;
  /** The body goes on for ever after its end. */
  isEndless: boolean;
  /** One bit of this body byte arrives flipped. */
  flipByteAt?: number | undefined;
}

/** Piece in which a body arrives, as a socket would deliver it. */
const pieceBytes = 16 * 1024;

/** Fetcher that calls the origin's handler directly. Limits and refusals are those of the real one. */
export class SimFetcher implements Fetcher {
  readonly faults: FetcherFaults = {
    isCut: false,
    latencyMs: 0,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    isEndless: false,
  };
  readonly #handler: OriginHandler;
  readonly #clock: Clock;

  constructor(handler: OriginHandler, clock: Clock) {
    this.#handler = handler;
    this.#clock = clock;
  }

  async fetch(request: FetchRequest): Promise<FetchResponse> {
    invariant(/^\/[!-~]*$/.test(request.path), 'a fetch path is absolute and percent-encoded');
    const transfer = new SimTransfer(this.#clock, request);
    try {
      await transfer.wait(this.faults.latencyMs);
      if (this.faults.isCut) throw failed('no connection');
      const answer = await transfer.orEnd(this.#ask(request));
      const head = readResponseHead({
        status: answer.status,
        header: (name) => answer.headers.get(name),
        askedFromByte: request.rangeFromByte,
        bytesMax: request.bytesMax,
      });
      return {
        status: answer.status,
        ...head,
        body: this.#body(answer.body, transfer, request.bytesMax),
        cancel: () => transfer.end(cancelled()),
      };
    } catch (error) {
      transfer.end(cancelled());
      throw error;
    }
  }

  async #ask(request: FetchRequest): Promise<OriginResponse> {
    const headers = new Map<string, string>();
    for (const [name, value] of request.headers ?? []) headers.set(name.toLowerCase(), value);
    headers.set('accept-encoding', 'identity');
    if (request.bearer !== undefined) headers.set('authorization', `Bearer ${request.bearer}`);
    if (request.rangeFromByte !== undefined)
      headers.set('range', `bytes=${request.rangeFromByte}-`);
    const { method, path } = request;
    const body = request.body?.slice() ?? new Uint8Array(0);
    try {
      return await this.#handler({ method, path, headers, body });
    } catch (error) {
      // A server that throws answers nothing; its own log says why.
      throw failed('the origin broke off', error);
    }
  }

  async *#body(
    whole: Uint8Array | AsyncIterable<Uint8Array>,
    transfer: SimTransfer,
    bytesMax: number,
  ): AsyncIterable<Uint8Array> {
    let received = 0;
    const pieces = this.#pieces(whole)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await transfer.orEnd(pieces.next());
        if (next.done === true) return;
        await transfer.wait((next.value.length * 1000) / this.faults.bytesPerSecond);
        const piece = this.#damaged(next.value, received);
        received += next.value.length;
        if (received > bytesMax) throw tooLarge(bytesMax);
        if (piece.length > 0) yield piece;
        if (piece.length < next.value.length) throw failed('the connection broke');
      }
    } catch (error) {
      throw error instanceof OperatingError ? error : failed('the origin broke off', error);
    } finally {
      transfer.end(cancelled());
    }
  }

  async *#pieces(whole: Uint8Array | AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const parts = whole instanceof Uint8Array ? [whole] : whole;
    for await (const part of parts) {
      for (let at = 0; at < part.length; at += pieceBytes) yield part.slice(at, at + pieceBytes);
    }
    while (this.faults.isEndless) yield new Uint8Array(pieceBytes);
  }

  #damaged(piece: Uint8Array, from: number): Uint8Array {
    const { truncateAfterBytes = Number.POSITIVE_INFINITY, flipByteAt } = this.faults;
    const left = piece.slice(0, Math.max(0, Math.min(piece.length, truncateAfterBytes - from)));
    const at = (flipByteAt ?? -1) - from;
    if (at >= 0 && at < left.length) left[at] = (left[at] ?? 0) ^ 1;
    return left;
  }
}

const failed = (message: string, cause?: unknown): OperatingError =>
  new OperatingError('fetch-failed', message, { retryable: true, cause });

const cancelled = (): OperatingError =>
  new OperatingError('fetch-cancelled', 'the request was called off');

/** Deadline and signal of one request: `wait` and `orEnd` throw as soon as one of them ends it. */
class SimTransfer {
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #ended: Promise<never>;
  #reject: (reason: OperatingError) => void = () => undefined;

  constructor(clock: Clock, request: Pick<FetchRequest, 'timeoutMs' | 'signal'>) {
    this.#clock = clock;
    this.#ended = new Promise<never>((_resolve, reject) => {
      this.#reject = reject;
    });
    // It may end while nobody waits; whoever waits next is told all the same.
    this.#ended.catch(() => undefined);
    const { signal, timeoutMs } = request;
    const abort = (): void => this.end(cancelled());
    signal?.addEventListener('abort', abort);
    this.#stop.signal.addEventListener('abort', () => signal?.removeEventListener('abort', abort));
    if (signal?.aborted === true) abort();
    void clock.sleepUntil(clock.monotonicMs() + timeoutMs, this.#stop.signal).then(() => {
      const message = `no complete answer within ${timeoutMs} ms`;
      this.end(new OperatingError('fetch-timeout', message, { retryable: true }));
    });
  }

  end(reason: OperatingError): void {
    this.#reject(reason);
    this.#stop.abort();
  }

  orEnd<T>(work: Promise<T>): Promise<T> {
    return Promise.race([this.#ended, work]);
  }

  async wait(ms: number): Promise<void> {
    if (ms === 0) return this.orEnd(Promise.resolve());
    await this.orEnd(this.#clock.sleepUntil(this.#clock.monotonicMs() + ms, this.#stop.signal));
  }
}
