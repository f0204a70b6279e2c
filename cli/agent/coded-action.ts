import type { Command } from 'commander';
import { errorCodes } from '../../shared/contracts/error-codes.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { printable } from '../../shared/core/printable.ts';
import { CommandEnded, type ExitCode, exitCodes } from '../exit-code.ts';

/** Exit codes of what an agent's command can meet; anything else is 1. */
const exits: ReadonlyMap<string, ExitCode> = new Map([
  ['command-line-invalid', exitCodes.usage],
  ['config-invalid', exitCodes.usage],
  ['schema-mismatch', exitCodes.usage],
  ['enrolment-string-invalid', exitCodes.usage],
  ['plaintext-refused', exitCodes.usage],
  ['not-enrolled', exitCodes.notFound],
  ['already-enrolled', exitCodes.conflict],
  ['device-known', exitCodes.conflict],
  ['root-mismatch', exitCodes.signature],
  ['ca-mismatch', exitCodes.signature],
  ['claim-unknown', exitCodes.auth],
  ['claim-expired', exitCodes.auth],
  ['claim-used-up', exitCodes.auth],
  ['claim-id-mismatch', exitCodes.auth],
]);

/** Runs an action; an operating failure is said in one line with what to do, and ends with its exit code. */
export async function codedAction(command: Command, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    const { code, message } = error;
    const sentence = Object.hasOwn(errorCodes, code)
      ? errorCodes[code as keyof typeof errorCodes].sentence
      : '';
    command.configureOutput().writeErr?.(printable(`${code}: ${message}. ${sentence}`) + '\n');
    throw new CommandEnded(exits.get(code) ?? exitCodes.failed);
  }
}
