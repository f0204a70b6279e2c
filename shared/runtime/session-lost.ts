import { OperatingError } from '../core/operating-error.ts';

/** What a call gets that did not run because its session ended for `reason`; it may be tried on another session. */
export function lostAfter(reason: OperatingError): OperatingError {
  return new OperatingError('session-lost', `the session ended: ${reason.code}`, {
    cause: reason,
    retryable: true,
  });
}
