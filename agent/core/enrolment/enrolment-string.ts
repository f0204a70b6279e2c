import { limits } from '../../../shared/contracts/limits.ts';
import { type Digest, type FleetId, isDigest, isFleetId } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';

/** What an operator hands over so that a device can find its server and know it again. */
export interface EnrolmentString {
  /** `https://host[:port]` or `http://host[:port]`. */
  readonly origin: string;
  readonly host: string;
  readonly isPlaintext: boolean;
  readonly claim: string;
  /** sha256 of `1.root.json`, byte for byte: there is no trust on first use. */
  readonly root: Digest;
  /** sha256 of the one CA certificate (DER) to believe; without it the system's. */
  readonly ca: Digest | undefined;
  readonly fleet: FleetId | undefined;
}

export interface EnrolmentStringFailure {
  readonly code: 'enrolment-string-malformed' | 'plaintext-refused';
  readonly message: string;
}

const form =
  /^(skein|skein\+http):\/\/((?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9a-fA-F:.]{2,45}\]))(?::([0-9]{1,5}))?\/#(.+)$/;
const claimForm = /^[A-Za-z0-9_-]{22,64}$/;
const loopback = /^(localhost|127(\.[0-9]{1,3}){3}|\[::1\])$/;
const names = ['claim', 'root', 'ca', 'fleet'] as const;
type Name = (typeof names)[number];

/**
 * Reads `skein://HOST[:PORT]/#claim=...&root=sha256:...[&ca=sha256:...][&fleet=...]`. The secrets stand behind the `#`,
 * which no client sends to a server by mistake. `skein+http://` is for loopback, or where `insecurePlaintext` was said.
 */
export function parseEnrolmentString(
  text: string,
  { insecurePlaintext }: { readonly insecurePlaintext: boolean },
): Result<EnrolmentString, EnrolmentStringFailure> {
  if (text.length > limits.enrolmentStringCharsMax) return malformed('it is too long');
  const [, scheme, host = '', port, rest = ''] = form.exec(text) ?? [];
  if (scheme === undefined) return malformed('it is not skein://HOST[:PORT]/#...');
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    return malformed('the port is none');
  }
  const fields = readFields(rest);
  if (!fields.ok) return fields;
  const claim = fields.value.get('claim') ?? '';
  const root = fields.value.get('root') ?? '';
  const ca = fields.value.get('ca');
  const fleet = fields.value.get('fleet');
  if (!claimForm.test(claim)) return malformed('claim is missing or has another form');
  if (!isDigest(root)) return malformed('root is missing or no sha256:...');
  if (ca !== undefined && !isDigest(ca)) return malformed('ca is no sha256:...');
  if (fleet !== undefined && !isFleetId(fleet)) return malformed('fleet is no name');
  const isPlaintext = scheme === 'skein+http';
  if (isPlaintext && ca !== undefined) return malformed('ca has no use without TLS');
  if (isPlaintext && !loopback.test(host.toLowerCase()) && !insecurePlaintext) {
    return err({ code: 'plaintext-refused', message: `${host} is not this machine` });
  }
  return ok({
    origin: originOf({ isPlaintext, host: host.toLowerCase(), port }),
    host: host.toLowerCase(),
    isPlaintext,
    claim,
    root,
    ca,
    fleet,
  });
}

function readFields(
  rest: string,
): Result<ReadonlyMap<Name, string>, { code: 'enrolment-string-malformed'; message: string }> {
  const fields = new Map<Name, string>();
  for (const part of rest.split('&')) {
    const at = part.indexOf('=');
    const name = names.find((known) => known === part.slice(0, Math.max(0, at)));
    if (name === undefined) return malformed('it has a field that is not known here');
    if (fields.has(name)) return malformed(`${name} stands there twice`);
    fields.set(name, part.slice(at + 1));
  }
  return ok(fields);
}

/** As `URL.origin` would write it: no default port. */
function originOf(part: {
  readonly isPlaintext: boolean;
  readonly host: string;
  readonly port: string | undefined;
}): string {
  const [scheme, usual] = part.isPlaintext ? ['http', 80] : ['https', 443];
  const port = part.port === undefined ? usual : Number(part.port);
  return `${scheme}://${part.host}${port === usual ? '' : `:${port}`}`;
}

const malformed = (
  message: string,
): Result<never, { code: 'enrolment-string-malformed'; message: string }> =>
  err({ code: 'enrolment-string-malformed', message });
