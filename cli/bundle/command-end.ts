import { readFile } from 'node:fs/promises';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import type { Result } from '../../shared/core/result.ts';
import { CommandEnded } from '../exit-code.ts';
import { endWith, exitCodeOf } from './output.ts';

/** Ends with the exit code of the failure; only bugs pass. */
export async function orEnd(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (error instanceof CommandEnded) throw error;
    const isExpected = error instanceof OperatingError;
    const isFile = error instanceof Error && 'syscall' in error;
    if (!isExpected && !isFile) throw error;
    endWith(exitCodeOf(codeOf(error)), `${codeOf(error)}: ${error.message}`);
  }
}

/** The value, or the end of the command with the failure's code. */
export function valueOrEnd<T>(
  result: Result<T, { readonly code: string; readonly message: string }>,
): T {
  if (result.ok) return result.value;
  const { code, message } = result.error;
  return endWith(exitCodeOf(code), `${code}: ${message}`);
}

export async function readToken(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : (await readFile(file, 'utf8')).trim();
}
