import { type ErrorCode, errorCodes } from '../../shared/contracts/error-codes.ts';
import { codeOf } from '../../shared/core/operating-error.ts';

/** What one check found. `warning` leaves the exit code alone; `skipped` says why nothing was looked at. */
export interface Finding {
  readonly check: string;
  readonly verdict: 'well' | 'warning' | 'failed' | 'skipped';
  readonly message: string;
  /** Of the catalogue, for everything that is not well. */
  readonly code?: ErrorCode;
  /** What to do about it: the catalogue's sentence. */
  readonly hint?: string;
}

export const well = (check: string, message: string): Finding => ({
  check,
  verdict: 'well',
  message,
});

export const skipped = (check: string, message: string): Finding => ({
  check,
  verdict: 'skipped',
  message,
});

export const warning = (check: string, code: ErrorCode, message: string): Finding => ({
  ...{ check, verdict: 'warning', message, code },
  hint: errorCodes[code].sentence,
});

export const failed = (check: string, code: ErrorCode, message: string): Finding => ({
  ...{ check, verdict: 'failed', message, code },
  hint: errorCodes[code].sentence,
});

/** Runs a check; what it throws is its finding, under the thrown code where the catalogue knows it. */
export async function attempt(
  check: string,
  otherwise: ErrorCode,
  work: () => Promise<Finding>,
): Promise<Finding> {
  try {
    return await work();
  } catch (error) {
    const code = codeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    const isTelling = code !== 'unexpected' && isCatalogued(code);
    return failed(check, isTelling ? code : otherwise, oneLine(message));
  }
}

export const isCatalogued = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);

const oneLine = (text: string): string => text.split('\n')[0]?.trim() ?? '';
