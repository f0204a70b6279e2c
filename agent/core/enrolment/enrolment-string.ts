import {
  type EnrolmentTicket,
  parseEnrolment,
} from '../../../shared/contracts/enrolment-string.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';

/** What the device does with an enrolment string before anything is sent. */
export interface ReadTicket extends EnrolmentTicket {
  /** Host of the origin, without brackets and port. */
  readonly host: string;
}

export interface EnrolmentStringFailure {
  readonly code: 'enrolment-string-invalid' | 'plaintext-refused';
  readonly message: string;
}

const loopback = /^(localhost|127(\.[0-9]{1,3}){3}|::1)$/;

/**
 * The ticket in `skein://HOST[:PORT]/#claim=...&root=sha256:...[&ca=sha256:...]`, its origin spelt as URL does.
 * `skein+http://` is for loopback, or where `insecurePlaintext` was said. No message repeats the claim.
 */
export function readEnrolmentString(
  text: string,
  { insecurePlaintext }: { readonly insecurePlaintext: boolean },
): Result<ReadTicket, EnrolmentStringFailure> {
  if (text.length > limits.enrolmentStringCharsMax) return invalid('it is too long');
  const parsed = parseEnrolment(text);
  if (!parsed.ok) return invalid('it is not skein://HOST[:PORT]/#claim=...&root=sha256:...');
  const ticket = parsed.value;
  if (!URL.canParse(ticket.origin)) return invalid('its host or port is none');
  const { protocol, origin, hostname } = new URL(ticket.origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  const isPlaintext = protocol === 'http:';
  if (isPlaintext && ticket.ca !== undefined) return invalid('ca has no use without TLS');
  if (isPlaintext && !loopback.test(host) && !insecurePlaintext) {
    return err({ code: 'plaintext-refused', message: `${host} is not this machine` });
  }
  return ok({ ...ticket, origin, host });
}

const invalid = (message: string): Result<never, EnrolmentStringFailure> =>
  err({ code: 'enrolment-string-invalid', message });
