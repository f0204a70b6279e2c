import { type ErrorCode, errorCodes } from '../../shared/contracts/error-codes.ts';
import type { Problem } from '../../shared/contracts/problem.ts';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import { CommandEnded, type ExitCode, exitCodes } from '../exit-code.ts';
import type { Printer } from './printer.ts';
import { ProblemAnswered } from './rest-client.ts';

/** Says what failed and what to do about it; with `-o json` as the problem itself on standard output. */
export function endWithFailure(error: unknown, print: Printer): never {
  if (error instanceof CommandEnded) throw error;
  const problem = problemOf(error);
  if (print.isJson) print.json(problem);
  print.say(`error: ${problem.detail ?? problem.title}`);
  for (const { pointer, message } of problem.errors ?? []) {
    if (pointer !== '') print.say(`  at ${pointer}: ${message}`);
  }
  if (problem.detail !== undefined) print.say(`hint: ${problem.title}`);
  const request = problem.requestId === undefined ? '' : ` (request ${problem.requestId})`;
  print.say(`code: ${problem.code}${request}`);
  throw new CommandEnded(exitCodeOf(problem));
}

function problemOf(error: unknown): Problem {
  if (error instanceof ProblemAnswered) return error.problem;
  if (!(error instanceof OperatingError)) throw error;
  const code = codeOf(error);
  const entry = isCatalogued(code) ? errorCodes[code] : undefined;
  return {
    type: `urn:skein:problem:${code}`,
    title: entry?.sentence ?? 'Look at the log of the server.',
    status: Math.max(entry?.status ?? 400, 400),
    code,
    detail: error.message,
  };
}

const isCatalogued = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);

const integrity = new Set(['audit-cut', 'audit-rewritten', 'audit-forked', 'signature-invalid']);

/** The request was well-formed and its sender known; what the fleet has decided or was signed forbids it. */
const policy = new Set([
  ...['digest-stopped', 'digest-revoked', 'bundle-not-live', 'approval-own-rollout'],
  ...['target-retired', 'target-not-for-fleet'],
]);

export function exitCodeOf({ status, code }: Pick<Problem, 'status' | 'code'>): ExitCode {
  if (integrity.has(code)) return exitCodes.signature;
  if (policy.has(code)) return exitCodes.policyFailed;
  switch (status) {
    case 400:
      return exitCodes.usage;
    case 401:
    case 403:
      return exitCodes.auth;
    case 404:
      return exitCodes.notFound;
    case 409:
    case 412:
    case 428:
      return exitCodes.conflict;
    default:
      return exitCodes.failed;
  }
}
