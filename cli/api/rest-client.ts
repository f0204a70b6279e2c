import { randomUUID } from 'node:crypto';
import { createDecoder, parseStrictJson } from '../../shared/codec/validator.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { type Problem, ProblemSchema } from '../../shared/contracts/problem.ts';
import { concatBytes, utf8 } from '../../shared/core/bytes.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';

/** The server answered with a failure; its code is the catalogue's. */
export class ProblemAnswered extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = 'ProblemAnswered';
    this.problem = problem;
  }
}

export interface RestRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  /** Sent as they are, instead of `body`. */
  readonly bytes?: Uint8Array;
  /** The tag of what the person saw. */
  readonly ifMatch?: string;
}

export interface RestAnswer<T> {
  readonly body: T;
  readonly etag: string | undefined;
}

export interface WholeList<T> {
  readonly items: readonly T[];
}

const decodeProblem = createDecoder(ProblemSchema, limits.cliAnswerBytesMax);

/**
 * The command line's way to `/api/v1`. The token travels in its header only; redirects are refused, because the token
 * would go with them.
 */
export class RestClient {
  readonly #server: string;
  readonly #token: string;

  constructor(options: { readonly server: string; readonly token: string }) {
    this.#server = options.server.replace(/\/$/, '');
    this.#token = options.token;
  }

  async ask<T>(path: string, request: RestRequest = {}): Promise<RestAnswer<T>> {
    const response = await this.#send(path, request, {
      accept: 'application/json',
      signal: AbortSignal.timeout(limits.cliRequestTimeoutMs),
    });
    const bytes = await readBounded(response);
    if (response.status >= 400) throw problemIn(bytes, response.status);
    const etag = response.headers.get('etag') ?? undefined;
    if (bytes.length === 0) return { body: undefined as T, etag };
    const parsed = parseStrictJson(bytes);
    if (parsed.ok) return { body: parsed.value as T, etag };
    throw new OperatingError('fetch-failed', `${path} answered with something else than JSON`);
  }

  /** Every item of a list, page by page. */
  async *items<T>(path: string, query: RestRequest['query'] = {}): AsyncGenerator<T> {
    let cursor: string | undefined;
    do {
      const limit = String(limits.pageRowsMax);
      const page = await this.ask<{ readonly items: readonly T[]; readonly nextCursor?: string }>(
        path,
        { query: { limit, ...query, cursor } },
      );
      yield* page.body.items;
      cursor = page.body.nextCursor;
    } while (cursor !== undefined);
  }

  /** A whole list, in the form of one page. */
  async all<T>(path: string, query: RestRequest['query'] = {}): Promise<WholeList<T>> {
    const items: T[] = [];
    for await (const item of this.items<T>(path, query)) items.push(item);
    return { items };
  }

  /** Frames of an event stream as they come: `id` and `data` of each. Ends when the server does. */
  async *stream(path: string, lastEventId: string | undefined): AsyncGenerator<string> {
    const resume = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    const response = await this.#send(path, {}, { accept: 'text/event-stream', headers: resume });
    if (response.status >= 400) throw problemIn(await readBounded(response), response.status);
    yield* framesOf(response);
  }

  async #send(
    path: string,
    { method = 'GET', query = {}, body, bytes, ifMatch }: RestRequest,
    how: {
      readonly accept: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly signal?: AbortSignal;
    },
  ): Promise<Response> {
    const url = new URL(`${this.#server}/api/v1${path}`);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    try {
      return await fetch(url, {
        method,
        redirect: 'error',
        ...(how.signal === undefined ? {} : { signal: how.signal }),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(bytes === undefined ? {} : { body: bytes }),
        headers: {
          authorization: `Bearer ${this.#token}`,
          accept: how.accept,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(bytes === undefined ? {} : { 'content-type': 'application/octet-stream' }),
          // Each command asks once; the key lets a proxy's repetition do no harm.
          ...(method === 'POST' ? { 'idempotency-key': randomUUID() } : {}),
          ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
          ...how.headers,
        },
      });
    } catch (cause) {
      const options = { cause, retryable: true };
      throw new OperatingError('connect-failed', `${url.origin} does not answer`, options);
    }
  }
}

async function readBounded(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array;
    length += bytes.length;
    if (length > limits.cliAnswerBytesMax) {
      throw new OperatingError('response-too-large', 'the answer is larger than any can be');
    }
    chunks.push(bytes);
  }
  return concatBytes(chunks);
}

function problemIn(bytes: Uint8Array, status: number): Error {
  const problem = decodeProblem(bytes.length === 0 ? utf8('{}') : bytes);
  return problem.ok
    ? new ProblemAnswered(problem.value)
    : new OperatingError('fetch-failed', `the server answered ${status} without a problem`);
}

/** A connection that breaks is one that does not answer: the caller resumes. */
async function* framesOf(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      const frames = text.split('\n\n');
      text = frames.pop() ?? '';
      if (text.length > limits.cliAnswerBytesMax) {
        throw new OperatingError('response-too-large', 'one event is larger than any can be');
      }
      yield* frames;
    }
  } catch (cause) {
    if (cause instanceof OperatingError) throw cause;
    throw new OperatingError('connect-failed', 'the stream broke', { cause, retryable: true });
  }
}
