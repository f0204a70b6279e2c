/**
 * Something outside failed: disk, socket, process, database. Adapters throw it with a code of the
 * catalogue and the cause kept; the runner turns it into an event. Expected outcomes are `Result` values instead.
 */
export class OperatingError extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(
    code: string,
    message: string,
    options: { readonly cause?: unknown; readonly retryable?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OperatingError';
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** The catalogue code of a caught value, or `unexpected` when it carries none. */
export function codeOf(error: unknown): string {
  if (error instanceof OperatingError) return error.code;
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unexpected';
}
