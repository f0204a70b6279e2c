import type { ClientRequest, IncomingMessage } from 'node:http';
import * as http from 'node:http';
import * as https from 'node:https';
import { readResponseHead, tooLarge } from '../../codec/response-head.ts';
import { limits } from '../../contracts/limits.ts';
import { invariant } from '../../core/invariant.ts';
import { OperatingError } from '../../core/operating-error.ts';
import type { Fetcher, FetchRequest, FetchResponse } from '../../ports/fetcher.ts';
import { type MinimumSpeed, Transfer } from './transfer.ts';

export interface HttpFetcherOptions {
  /** `https://host[:port]` or `http://host[:port]`, without a path; that plain HTTP is allowed is the caller's word. */
  readonly origin: string;
  /** PEM of the only certificate authority to believe; without it the system's. */
  readonly ca?: string;
  /** A transfer that moves fewer bytes in any such period is cut with `fetch-timeout`. */
  readonly minimumSpeed?: MinimumSpeed;
}

/**
 * Fetcher over `node:http(s)`. It follows no redirect and knows no proxy: credentials go to one origin or nowhere.
 */
export class HttpFetcher implements Fetcher {
  readonly #origin: URL;
  readonly #agent: http.Agent;
  readonly #minimumSpeed: MinimumSpeed | undefined;

  constructor(options: HttpFetcherOptions) {
    this.#origin = new URL(options.origin);
    invariant(this.#origin.origin === options.origin, `not a bare origin: ${options.origin}`);
    this.#minimumSpeed = options.minimumSpeed;
    const sockets = {
      keepAlive: true,
      maxSockets: limits.fetchSocketsMax,
      maxFreeSockets: limits.fetchIdleSocketsMax,
    };
    this.#agent =
      this.#origin.protocol === 'https:'
        ? new https.Agent({ ...sockets, ...(options.ca === undefined ? {} : { ca: options.ca }) })
        : new http.Agent(sockets);
  }

  async fetch(request: FetchRequest): Promise<FetchResponse> {
    // Nothing here parses the path: it goes on the wire as it is, below the one host this object knows.
    invariant(/^\/[!-~]*$/.test(request.path), 'a fetch path is absolute and percent-encoded');
    if (request.signal?.aborted === true) throw cancelled();
    const call = this.#send(request);
    const transfer = new Transfer(call, request, this.#minimumSpeed);
    try {
      const message = await answerTo(call, request.body);
      transfer.answered(message);
      const head = readResponseHead({
        status: message.statusCode ?? 0,
        header: (name) => headerText(message.headers[name]),
        askedFromByte: request.rangeFromByte,
        bytesMax: request.bytesMax,
      });
      return {
        status: message.statusCode ?? 0,
        ...head,
        body: boundedBody(message, transfer, request.bytesMax),
        cancel: () => transfer.end(cancelled()),
      };
    } catch (error) {
      const reason = transfer.reasonOr(error);
      transfer.end(reason);
      throw reason;
    }
  }

  /** Closes idle connections; those in use end with their transfers. */
  close(): void {
    this.#agent.destroy();
  }

  #send(request: FetchRequest): ClientRequest {
    const headers: Record<string, string> = Object.fromEntries(request.headers ?? []);
    headers['accept-encoding'] = 'identity';
    if (request.bearer !== undefined) headers['authorization'] = `Bearer ${request.bearer}`;
    if (request.rangeFromByte !== undefined) headers['range'] = `bytes=${request.rangeFromByte}-`;
    if (request.body !== undefined) headers['content-length'] = `${request.body.length}`;
    const send = this.#origin.protocol === 'https:' ? https.request : http.request;
    return send({
      agent: this.#agent,
      protocol: this.#origin.protocol,
      // URL keeps the brackets of an IPv6 address, sockets want it without.
      hostname: this.#origin.hostname.replace(/^\[|\]$/g, ''),
      port: this.#origin.port,
      method: request.method,
      path: request.path,
      headers,
    });
  }
}

const cancelled = (): OperatingError =>
  new OperatingError('fetch-cancelled', 'the request was called off');

function answerTo(call: ClientRequest, body: Uint8Array | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    call.once('response', resolve);
    // Stays on after the answer: an error event that nobody hears would end the process.
    call.on('error', reject);
    call.end(body);
  });
}

async function* boundedBody(
  message: IncomingMessage,
  transfer: Transfer,
  bytesMax: number,
): AsyncIterable<Uint8Array> {
  let received = 0;
  try {
    for await (const chunk of message as AsyncIterable<Uint8Array>) {
      received += chunk.length;
      if (received > bytesMax) throw tooLarge(bytesMax);
      transfer.moved(chunk.length);
      yield chunk;
    }
  } catch (error) {
    throw transfer.reasonOr(error);
  } finally {
    // Also when the reader stops half-way: an unread body would keep its socket for ever.
    transfer.end(cancelled());
  }
}

const headerText = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(', ') : value;
