import { OperatingError } from '../../core/operating-error.ts';

/** The errno name of a failed file-system call, such as `ENOENT`. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** One OperatingError for whatever a file-system call threw; the cause keeps the system's own words. */
export function diskError(error: unknown, action: string): OperatingError {
  if (error instanceof OperatingError) return error;
  switch (errnoOf(error) ?? '') {
    case 'ENOSPC':
    case 'EDQUOT':
      return new OperatingError('disk-full', `no space left: ${action}`, {
        cause: error,
        retryable: true,
      });
    case 'ENOENT':
      return new OperatingError('file-missing', `no such file: ${action}`, { cause: error });
    default:
      return new OperatingError('disk-failed', `the disk refused: ${action}`, {
        cause: error,
        retryable: true,
      });
  }
}

export function isAbsent(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ENOTDIR';
}
