import { OperatingError } from '../../../../shared/core/operating-error.ts';

/** What crosses from the worker when a statement fails; an Error object would lose its code on the way. */
export interface SqlFailure {
  readonly code: string;
  readonly message: string;
}

export function sqlFailureOf(error: unknown): SqlFailure {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return {
    code: typeof code === 'string' ? code : 'unexpected',
    message: error instanceof Error ? error.message : String(error),
  };
}

/** Primary result codes of SQLite (sqlite.org/rescode.html) in the words of the catalogue. */
export function storeError(failure: SqlFailure): OperatingError {
  const { code, message } = failure;
  const is = (prefix: string): boolean => code.startsWith(prefix);
  if (is('SQLITE_FULL')) return new OperatingError('disk-full', message, { retryable: true });
  if (is('SQLITE_BUSY') || is('SQLITE_LOCKED')) {
    return new OperatingError('store-busy', message, { retryable: true });
  }
  if (is('SQLITE_CONSTRAINT')) return new OperatingError('store-conflict', message);
  if (is('SQLITE_CORRUPT') || is('SQLITE_NOTADB')) {
    return new OperatingError('store-corrupt', message);
  }
  if (is('store-')) return new OperatingError(code, message);
  return new OperatingError('store-failed', `${code}: ${message}`, {
    cause: failure,
    retryable: is('SQLITE_IOERR'),
  });
}
