/** What a script can tell from `skein`'s exit, one number per kind of outcome; printed by `skein --help`. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  auth: 4,
  conflict: 5,
  rolloutUnhealthy: 6,
  timeout: 7,
  policyFailed: 8,
  signature: 9,
  /** A simulated run that ended by itself, that did not come to an end, and in which a promise was broken. */
  simulationCrashed: 127,
  simulationStuck: 128,
  simulationBroken: 129,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeHelp = `
Exit codes:
  0 ok           1 failed     2 usage          3 not found          4 auth
  5 conflict     7 timeout    8 policy failed  6 rollout unhealthy  9 signature
  127 simulation crashed   128 simulation stuck   129 simulation broke a promise
  130 interrupted`;

/** A command that has said what went wrong and only wants the process to end with this code. */
export class CommandEnded extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super(`exit ${exitCode}`);
    this.name = 'CommandEnded';
    this.exitCode = exitCode;
  }
}
