import { err, ok, type Result } from '../core/result.ts';

/** All that a fresh device must be told: whom to ask, by which claim, and the root it must find there. */
export interface EnrolmentTicket {
  /** `https://host[:port]`, or `http://...` where plain text was chosen on purpose. */
  readonly origin: string;
  readonly claim: string;
  /** Digest of the first trusted root; there is no trust on first use. */
  readonly root: string;
  /** Digest of the certificate authority to pin; without it the system's are asked. */
  readonly ca?: string;
}

const originForm = /^(https?):\/\/([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$/;
const textForm =
  /^skein(\+http)?:\/\/((?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?)\/#claim=([A-Za-z0-9_-]{22,64})&root=(sha256:[0-9a-f]{64})(?:&ca=(sha256:[0-9a-f]{64}))?$/;

/** `skein://HOST[:PORT]/#claim=...&root=sha256:...[&ca=sha256:...]`; the fragment is never sent to anybody. */
export function printEnrolment({ origin, claim, root, ca }: EnrolmentTicket): string {
  const [, scheme = 'https', host = '', port = ''] = originForm.exec(origin) ?? [];
  const prefix = scheme === 'http' ? 'skein+http' : 'skein';
  return `${prefix}://${host}${port}/#claim=${claim}&root=${root}${ca === undefined ? '' : `&ca=${ca}`}`;
}

export function parseEnrolment(
  text: string,
): Result<EnrolmentTicket, { readonly code: 'enrolment-string-invalid' }> {
  const match = textForm.exec(text.trim());
  const [, plain, host, claim, root, ca] = match ?? [];
  if (host === undefined || claim === undefined || root === undefined) {
    return err({ code: 'enrolment-string-invalid' });
  }
  const origin = `${plain === undefined ? 'https' : 'http'}://${host}`;
  return ok({ origin, claim, root, ...(ca === undefined ? {} : { ca }) });
}
