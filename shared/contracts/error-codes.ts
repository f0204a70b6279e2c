/**
 * The one catalogue of failures. A code is the rollout's reason, the problem+json `code`, the log's and the
 * command line's. `input` marks what bad input from outside can cause. Retired codes stay listed and are never reused.
 * The sentence tells a person what to do.
 */
export interface ErrorEntry {
  /** HTTP status when the failure answers a request. */
  readonly status: number;
  /** Whether trying the same thing again later may help. */
  readonly retryable: boolean;
  /** Reached by malformed or hostile input; the bad-input test needs a case for it. */
  readonly input: boolean;
  readonly sentence: string;
}

const input = (status: number, sentence: string): ErrorEntry => ({
  status,
  retryable: false,
  input: true,
  sentence,
});
const transient = (status: number, sentence: string): ErrorEntry => ({
  status,
  retryable: true,
  input: false,
  sentence,
});
const refusal = (status: number, sentence: string): ErrorEntry => ({
  status,
  retryable: false,
  input: false,
  sentence,
});

export const errorCodes = {
  // Form of what comes in
  'malformed-json': input(400, 'Send UTF-8 JSON without duplicate keys.'),
  'schema-mismatch': input(400, 'Correct the field the pointer names; unknown fields are refused.'),
  'too-large': input(413, 'Send less: the limit stands in the message.'),
  'malformed-frame': input(400, 'Send one header line of JSON, a line feed, and the body.'),
  'malformed-envelope': input(400, 'Send a DSSE envelope with base64 payload and signatures.'),

  // Signatures
  'signature-invalid': input(403, 'Sign the exact bytes with a key of the required role.'),
  'wrong-payload-type': input(
    403,
    'This artefact may not stand in this place; use the payload type named in the message.',
  ),
  'unknown-key': input(403, 'The key is not one of the role; rotate keys through the root role.'),

  // The world
  'connect-failed': transient(
    503,
    'Check that the server is up and reachable, then wait: it is tried again.',
  ),
  'fetch-failed': transient(
    502,
    'Check the network path to the origin; it is tried again with backoff.',
  ),
  'fetch-timeout': transient(504, 'The origin is too slow; it is tried again with backoff.'),
  'redirect-refused': refusal(
    502,
    'Point the configuration at the final origin; redirects are not followed.',
  ),
  'response-too-large': input(502, 'The origin sent more than was signed for; check its content.'),
  'file-too-large': refusal(
    500,
    'A file on disk is larger than its limit; move it away and look at it.',
  ),
  'disk-full': transient(
    507,
    'Free the space named in the message; the device goes on with what it has.',
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCodes;
