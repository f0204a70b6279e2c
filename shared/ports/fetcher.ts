/**
 * Bounded HTTP towards one configured origin: the adapter holds origin, CA and credentials, callers
 * name paths only, so that no message can choose where a device fetches from.
 */
export interface Fetcher {
  /** Throws an OperatingError (`fetch-failed`, `fetch-timeout`, `redirect-refused`) when no answer came. */
  fetch(request: FetchRequest): Promise<FetchResponse>;
}

export interface FetchRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Absolute path below the origin, such as `/tuf/1.root.json`; already percent-encoded. */
  readonly path: string;
  /** Bearer token for this call; never sent to another origin. */
  readonly bearer?: string;
  readonly headers?: ReadonlyMap<string, string>;
  /** Ask for bytes from this offset on; the answer must say 206 with this very offset, or 200. */
  readonly rangeFromByte?: number;
  readonly body?: Uint8Array;
  /** Body bytes after which the transfer is cut with `response-too-large`. */
  readonly bytesMax: number;
  /** Whole-request deadline. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface FetchResponse {
  readonly status: number;
  /** First byte position of a 206 answer, as the server said it. */
  readonly rangeFromByte?: number;
  readonly retryAfterMs?: number;
  readonly contentEncoding?: string;
  /** Ends, or throws an OperatingError, within the request's limits. Read it or `cancel()` it. */
  readonly body: AsyncIterable<Uint8Array>;
  cancel(): void;
}
