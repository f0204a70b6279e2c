import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, type ErrorEntry, errorCodes } from '../../shared/contracts/error-codes.ts';
import type { Problem } from '../../shared/contracts/problem.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import { printable } from '../../shared/core/printable.ts';
import type { Result } from '../../shared/core/result.ts';
import type { Log } from '../../shared/ports/log.ts';

export interface ProblemDetails {
  readonly detail?: string;
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** Ends a request with a failure of the catalogue; thrown in routes and hooks, answered in one place. */
export class HttpProblem extends Error {
  readonly code: string;
  readonly details: ProblemDetails;

  constructor(code: string, details: ProblemDetails = {}) {
    super(details.detail ?? code);
    this.name = 'HttpProblem';
    this.code = code;
    this.details = details;
  }
}

interface Refusal {
  readonly code: string;
  readonly message?: string;
  readonly pointer?: string;
}

/** The value of an expected outcome, or its refusal as the answer. */
export function valueOf<T>(result: Result<T, Refusal>): T {
  if (result.ok) return result.value;
  const { code, message, pointer } = result.error;
  throw new HttpProblem(code, {
    ...(message === undefined ? {} : { detail: message }),
    ...(pointer === undefined ? {} : { errors: [{ pointer, message: message ?? code }] }),
  });
}

/** Fastify's own refusals of a request, in the words of the catalogue. */
const fastifyCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media-type-refused',
  FST_ERR_CTP_BODY_TOO_LARGE: 'too-large',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed-json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed-json',
  FST_ERR_BAD_URL: 'route-unknown',
  FST_ERR_ASYNC_CONSTRAINT: 'route-unknown',
  FST_ERR_MAX_PARAM_LENGTH: 'route-unknown',
};

/** The one place where failures become `application/problem+json` (RFC 9457). */
export function createProblemAnswer(log: Log) {
  return (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) => {
    const code = catalogued(error);
    const entry: ErrorEntry = errorCodes[code];
    if (entry.status >= 500) {
      const { method, id: requestId } = request;
      const route = request.routeOptions.url ?? 'unknown';
      log.error(
        { event: 'request-failed', code, method, route, requestId, error },
        'a request failed',
      );
    }
    const details = error instanceof HttpProblem ? error.details : detailsOf(error, code);
    return reply
      .code(entry.status)
      .headers({ ...retryHeader(entry), ...details.headers })
      .type('application/problem+json')
      .send(problemOf(code, { requestId: request.id, ...details }));
  };
}

export function problemOf(
  code: ErrorCode,
  details: ProblemDetails & { readonly requestId: string },
): Problem {
  const { status, sentence } = errorCodes[code];
  const { detail, errors, requestId } = details;
  return {
    type: `urn:skein:problem:${code}`,
    title: sentence,
    status: Math.max(status, 400),
    code,
    ...(detail === undefined ? {} : { detail: printable(detail).slice(0, 2048) }),
    ...(errors === undefined ? {} : { errors: errors.slice(0, 16).map(boundedError) }),
    requestId,
  };
}

const boundedError = ({ pointer, message }: { pointer: string; message: string }) => ({
  pointer: printable(pointer).slice(0, 512),
  message: printable(message).slice(0, 512),
});

function catalogued(error: FastifyError | Error): ErrorCode {
  const code = codeOf(error);
  return isCatalogued(code) ? code : (fastifyCodes[code] ?? 'unexpected');
}

const isCatalogued = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);

/** What broke inside is for the log, not for the caller. */
const detailsOf = (error: Error, code: ErrorCode): ProblemDetails =>
  errorCodes[code].status >= 500 ? {} : { detail: error.message };

const retryHeader = (entry: ErrorEntry): Readonly<Record<string, string>> =>
  entry.retryable ? { 'retry-after': '1' } : {};
