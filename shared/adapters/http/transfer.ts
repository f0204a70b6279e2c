import type { ClientRequest, IncomingMessage } from 'node:http';
import { OperatingError } from '../../core/operating-error.ts';
import type { FetchRequest } from '../../ports/fetcher.ts';

export interface MinimumSpeed {
  readonly bytes: number;
  /** Long enough for a mobile link's pauses. */
  readonly periodMs: number;
}

/**
 * One request from its first byte to its last: deadline, caller's signal, minimum speed. INVARIANTS: the first reason
 * to end wins; after `end` no timer and no listener is left; ending a finished transfer changes nothing.
 */
export class Transfer {
  readonly #call: ClientRequest;
  readonly #stop: () => void;
  #reason: OperatingError | undefined;
  #bytesInPeriod = 0;
  #answer: IncomingMessage | undefined;

  constructor(
    call: ClientRequest,
    request: Pick<FetchRequest, 'timeoutMs' | 'signal'>,
    minimumSpeed: MinimumSpeed | undefined,
  ) {
    this.#call = call;
    const deadline = setTimeout(() => {
      this.end(timeout(`no complete answer within ${request.timeoutMs} ms`));
    }, request.timeoutMs);
    const speed =
      minimumSpeed === undefined
        ? undefined
        : setInterval(() => this.#judgeSpeed(minimumSpeed), minimumSpeed.periodMs);
    const abort = (): void => {
      this.end(new OperatingError('fetch-cancelled', 'the request was called off'));
    };
    request.signal?.addEventListener('abort', abort);
    this.#stop = () => {
      clearTimeout(deadline);
      clearInterval(speed);
      request.signal?.removeEventListener('abort', abort);
    };
  }

  answered(answer: IncomingMessage): void {
    this.#answer = answer;
  }

  moved(bytes: number): void {
    this.#bytesInPeriod += bytes;
  }

  /** Ends the transfer; a connection whose answer was read to its end stays open for the next request. */
  end(reason: OperatingError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#stop();
    const isReadToEnd = this.#answer?.complete === true && this.#answer.readableLength === 0;
    if (!isReadToEnd) this.#call.destroy();
  }

  /** Why it ended, or what `error` means when nothing here ended it. */
  reasonOr(error: unknown): OperatingError {
    if (this.#reason !== undefined) return this.#reason;
    if (error instanceof OperatingError) return error;
    return new OperatingError('fetch-failed', 'the connection failed', {
      cause: error,
      retryable: true,
    });
  }

  #judgeSpeed({ bytes, periodMs }: MinimumSpeed): void {
    // Bytes that wait here are the reader's slowness, not the origin's.
    const isReaderSlow = (this.#answer?.readableLength ?? 0) > 0;
    if (this.#answer !== undefined && !isReaderSlow && this.#bytesInPeriod < bytes) {
      this.end(timeout(`${this.#bytesInPeriod} bytes in ${periodMs} ms`));
    }
    this.#bytesInPeriod = 0;
  }
}

const timeout = (message: string): OperatingError =>
  new OperatingError('fetch-timeout', message, { retryable: true });
