import { limits } from '../contracts/limits.ts';
import { OperatingError } from '../core/operating-error.ts';

export interface ResponseHead {
  /** First byte position of a 206 answer. */
  readonly rangeFromByte?: number;
  readonly retryAfterMs?: number;
}

export interface ReceivedHead {
  readonly status: number;
  /** Value of a header by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly askedFromByte: number | undefined;
  readonly bytesMax: number;
}

/**
 * Judges the head of an HTTP answer before a byte of its body is believed; the real fetcher and its twin share it.
 * Throws `redirect-refused`, `content-encoding-refused`, `range-mismatch`, `response-too-large`.
 */
export function readResponseHead(received: ReceivedHead): ResponseHead {
  const { status, header } = received;
  // 304 is an answer to a condition, not a way to another origin.
  if (status >= 300 && status <= 399 && status !== 304) {
    throw new OperatingError('redirect-refused', `the origin answered ${status}`);
  }
  const encoding = header('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    // Digests and ranges count stored bytes; and an encoded body can unfold beyond every bound.
    throw new OperatingError('content-encoding-refused', 'the answer is encoded');
  }
  if (Number(header('content-length') ?? 0) > received.bytesMax) {
    throw tooLarge(received.bytesMax);
  }
  const rangeFromByte = status === 206 ? rangeStart(received) : undefined;
  const retryAfterMs = readRetryAfter(header);
  return {
    ...(rangeFromByte === undefined ? {} : { rangeFromByte }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

export const tooLarge = (bytesMax: number): OperatingError =>
  new OperatingError('response-too-large', `more than ${bytesMax} bytes`);

/** RFC 9110, 14.4. A 206 that nobody asked for, or of another range, would be glued to the wrong place. */
function rangeStart({ header, askedFromByte }: ReceivedHead): number {
  const range = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/.exec(header('content-range') ?? '');
  const start = Number(range?.[1]);
  if (askedFromByte === undefined || start !== askedFromByte) {
    throw new OperatingError('range-mismatch', `asked from byte ${askedFromByte ?? 'none'}`);
  }
  return start;
}

/** RFC 9110, 10.2.3. A date is taken relative to the origin's own `Date`: the local clock may be anything. */
function readRetryAfter(header: (name: string) => string | undefined): number | undefined {
  const text = header('retry-after');
  if (text === undefined) return undefined;
  const ms = /^\d{1,10}$/.test(text)
    ? Number(text) * 1000
    : Date.parse(text) - Date.parse(header('date') ?? '');
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), limits.retryAfterMsMax);
}
