import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import { err, type Result } from '../../../shared/core/result.ts';

/** Why the repository stays as it is. */
export interface RepositoryRefusal {
  readonly code: ErrorCode;
  /** What is wrong, with names and numbers; the catalogue's sentence says what to do. */
  readonly message: string;
}

export const refuse = (code: ErrorCode, message: string): Result<never, RepositoryRefusal> =>
  err({ code, message });
