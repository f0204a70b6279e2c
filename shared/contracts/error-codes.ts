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

  // Targeting
  'filter-syntax': input(
    400,
    'Correct the filter where the caret points; docs/protocol.md lists the grammar.',
  ),
  'filter-unknown-name': input(
    400,
    'Use a name that devices have: device, state, zone, online, lastSeen, enrolledAt, tags.* or facts.*.',
  ),
  'filter-wrong-type': input(
    400,
    'Compare the field with a value of its own type, as the message says.',
  ),
  'filter-too-large': input(400, 'Shorten the filter, or tag the devices and name the tag.'),

  // Rollouts: refused orders
  'rollout-spec-invalid': input(422, 'Correct the field that the message names.'),
  'rollout-wrong-state': refusal(
    409,
    'The rollout is in another state now; look at it and decide again.',
  ),
  'approval-own-rollout': refusal(
    403,
    'Ask somebody else: the author of a rollout cannot approve it.',
  ),
  'approval-void': refusal(
    409,
    'The rollout changed after it was shown; read it again and approve what stands there now.',
  ),
  'digest-stopped': refusal(
    409,
    'This bundle was aborted or regressed before; say overrideStop to offer it again.',
  ),
  'digest-revoked': refusal(
    409,
    'This bundle is revoked; nothing offers it again. Publish a new version.',
  ),
  'no-members': refusal(
    409,
    'No accepted device matches the target; check the filter with a device list.',
  ),
  'too-many-strata': refusal(409, 'Stratify by names with fewer different values.'),

  // Rollouts: reasons of a hold or an abort
  'failed-updates': refusal(
    409,
    'Too many updates failed; look at the reasons of the exposed devices.',
  ),
  'nothing-committed': refusal(
    409,
    'Every update of the wave failed; look at the reasons of the exposed devices.',
  ),
  'error-rate': refusal(
    409,
    'The model fails on more inferences than allowed; look at the errors by code.',
  ),
  latency: refusal(
    409,
    'The model is slower than allowed; look at the latency of wave and control.',
  ),
  accuracy: refusal(
    409,
    'The model is wrong more often than allowed on labelled inputs; do not promote it.',
  ),
  'class-shift': refusal(
    409,
    'The model predicts other classes than the control does now; look at both histograms.',
  ),
  'silent-past-deadline': refusal(
    409,
    'The device acknowledged the update and then reported no outcome; look at the device.',
  ),
  'person-decided': refusal(409, 'A person decided this; the audit entry names who and why.'),
  superseded: refusal(409, 'A later rollout took this device over; look at that rollout.'),

  // ONNX graphs (onnx-guard, workshop reader)
  'onnx-malformed': input(422, 'Export the model again; the file is cut off or not ONNX.'),
  'onnx-too-large': input(422, 'Make the graph smaller, or move its weights to external data.'),
  'onnx-too-deep': input(
    422,
    'Flatten nested subgraphs and types; the nesting limit is in limits.',
  ),
  'onnx-unknown-field': input(422, 'Export with an ONNX version this release knows.'),
  'onnx-duplicate': input(422, 'Remove the second definition the message names.'),
  'onnx-tensor-invalid': input(422, 'Correct type, shape or data of the tensor the message names.'),
  'onnx-external-location': input(422, 'Name external data by the bare name of a listed blob.'),
  'onnx-external-range': input(422, 'Keep offset and length of external data inside its blob.'),
  'onnx-operator-refused': input(
    422,
    'Replace the operator, or let the device owner allow its domain.',
  ),
  'onnx-ep-context': input(
    422,
    'Ship the graph without compiled parts, or let the owner allow them.',
  ),
  'onnx-function-invalid': input(
    422,
    'Inline the function; it is recursive or shadows the standard.',
  ),

  // Disk
  'disk-failed': transient(
    500,
    'Look at the cause in the log, then at the mount and the health of the disk.',
  ),
  'file-missing': refusal(
    500,
    'A file that was counted on is gone; run `skein doctor`, and fetch it again.',
  ),
  'fsync-failed': refusal(
    500,
    'The disk lost written data and the process ended; replace the medium if it happens again.',
  ),

  // Inference runtime and processes
  'model-load-failed': refusal(
    422,
    'The runtime refuses the model; read the cause, and try the bundle in the workshop.',
  ),
  'load-timeout': refusal(504, 'The model did not load in time; raise its limit or shrink it.'),
  'provider-unavailable': refusal(
    409,
    'The execution provider does not run here; choose cpu, or install its driver.',
  ),
  'inference-input-mismatch': input(
    400,
    'Send the inputs by the names, types and shapes that the model declares.',
  ),
  'inference-failed': refusal(500, 'The model failed on this input; read the cause.'),
  'inference-timeout': refusal(
    504,
    'The model did not answer in time; its process is ended and the model is judged.',
  ),
  'memory-limit': refusal(507, 'The model took more memory than its bundle allows; it was ended.'),
  'session-lost': transient(503, 'The host of the model ended; open the session again.'),
  'queue-full': transient(503, 'Too many calls wait for the model; send less or later.'),
  'spawn-failed': transient(
    503,
    'The operating system refused a new process; check memory and process limits.',
  ),

  // TUF metadata and targets
  'tuf-no-root': refusal(
    500,
    'Give the device its trusted root again: neither a stored nor a pinned one is intact.',
  ),
  'tuf-malformed-metadata': input(
    502,
    'Publish metadata that follows the TUF specification; the field is named.',
  ),
  'tuf-missing-metadata': transient(
    502,
    'Publish the metadata version that its parent lists, then refresh again.',
  ),
  'tuf-threshold-root': input(
    502,
    'Sign the new root with the thresholds of the old and of the new root keys.',
  ),
  'tuf-threshold-timestamp': input(
    502,
    'Sign timestamp with a threshold of the keys that root names.',
  ),
  'tuf-threshold-snapshot': input(
    502,
    'Sign snapshot with a threshold of the keys that root names.',
  ),
  'tuf-threshold-targets': input(
    502,
    'Sign the targets role with a threshold of the keys its delegator names.',
  ),
  'tuf-expired-root': input(
    502,
    'Publish a new root: the newest one has expired. Check the time too.',
  ),
  'tuf-expired-timestamp': input(
    502,
    'Publish a new timestamp: the newest has expired. Check the time too.',
  ),
  'tuf-expired-snapshot': input(
    502,
    'Publish a new snapshot: the newest has expired. Check the time too.',
  ),
  'tuf-expired-targets': input(502, 'Sign the targets role again: the newest version has expired.'),
  'tuf-rollback-timestamp': input(
    502,
    'An older timestamp was offered than was seen before; look for an old mirror.',
  ),
  'tuf-rollback-snapshot': input(
    502,
    'An older snapshot was offered than was seen before; look for an old mirror.',
  ),
  'tuf-rollback-targets': input(
    502,
    'A targets role went back or vanished; publish a higher version instead.',
  ),
  'tuf-version-mismatch': input(
    502,
    'Publish each file under the version that it and its parent state.',
  ),
  'tuf-hash-mismatch': input(
    502,
    'Publish the metadata bytes whose length and hash the parent lists.',
  ),
  'tuf-too-many-roots': transient(
    502,
    'Refresh again: the walk through the root rotations goes on where it stopped.',
  ),
  'tuf-too-many-delegations': input(
    502,
    'Flatten the delegations: the target lies behind too many roles.',
  ),
  'tuf-target-not-found': refusal(
    404,
    'Check the target path, and that its role was signed and published.',
  ),
  'tuf-unexpected-role': input(403, 'Have the target signed by the role that owns its path.'),
  'tuf-target-mismatch': input(
    502,
    'Publish the bytes whose length and hash were signed for this target.',
  ),

  // Device store, journals, outbox
  'journal-corrupt': refusal(
    500,
    'A journal lost records; the device went on from its last intact one. Check the medium.',
  ),
  'journal-full': refusal(507, 'Compact the journal; it holds more than its limit.'),
  'blob-missing': transient(404, 'The blob is not on the device; it is fetched again.'),
  'blob-corrupt': transient(500, 'The blob rotted on disk, was removed and is fetched again.'),
  'blob-digest-mismatch': input(
    502,
    'The origin serves other bytes than were signed; check its content, then release again.',
  ),
  'blob-refused': refusal(
    502,
    'The origin refuses this blob (4xx); check that the bundle is published and the device may read.',
  ),
  'blob-unavailable': transient(
    503,
    'The origin kept failing; the download goes on from where it stopped at the next attempt.',
  ),
  'range-mismatch': input(
    502,
    'The origin answered with another byte range than asked; fix the proxy.',
  ),
  'content-encoding-refused': input(
    502,
    'Switch off compression for blobs at the origin or its proxy.',
  ),
  'download-too-slow': transient(
    504,
    'The link is below the minimum speed; it is tried again later.',
  ),
  'download-deadline': transient(504, 'The download did not end in time; it goes on next time.'),
  'download-cancelled': transient(503, 'The download was called off; what is verified is kept.'),
  'byte-cap-reached': transient(
    507,
    'The monthly byte cap is used up; raise it in the device configuration, or wait for the next month.',
  ),
  'slot-incomplete': transient(500, 'The slot is not whole; it is staged again from its blobs.'),

  // Guard: why a device reverts by itself
  'error-share-exceeded': refusal(
    422,
    'Too many inferences fail; fix the model or raise the signed limit.',
  ),
  'latency-exceeded': refusal(422, 'p95 latency is above the signed limit; use a smaller variant.'),
  'confidence-collapsed': refusal(
    422,
    'Mean confidence fell below the signed limit; check inputs and preprocessing.',
  ),
  'memory-exceeded': refusal(
    422,
    'The model needs more memory than it may use; use a smaller variant.',
  ),
  'model-hung': refusal(
    422,
    'An inference did not end and its process was killed; check the model.',
  ),
  'model-crashed': refusal(
    422,
    'The model took its process down; check the model on this provider.',
  ),

  // Bundles
  'bundle-inconsistent': input(
    422,
    'Pack the bundle again: configuration and manifest disagree as the message says.',
  ),

  // Desired state
  'desired-for-another': input(
    403,
    'The envelope names another fleet, device or key; the device keeps what it has.',
  ),
  'desired-epoch-mismatch': input(
    409,
    'The envelope belongs to an earlier enrolment; the director signs anew after the next report.',
  ),
  'stale-generation': input(409, 'A newer order was seen; the device keeps to it.'),
  'desired-repeated': input(200, 'The order is known already; nothing changes.'),
  // Messages, sessions, broker
  'threshold-unmet': input(403, 'Have as many different keys of the role sign as it demands.'),
  'mac-invalid': input(
    403,
    'The message was not made in this session; log in again and send it anew.',
  ),
  'frame-replayed': input(
    409,
    'This (epoch, boot, seq) was seen already; send with the next number.',
  ),
  'epoch-mismatch': input(409, 'The message belongs to an earlier enrolment; log in again.'),
  'token-invalid': input(401, 'Log in again; the token is not one that this server issued.'),
  'token-expired': input(401, 'Log in again; the token has run out by the clock of the server.'),
  'login-refused': refusal(
    401,
    'The broker refused the login; log in again, and check that the device is enrolled.',
  ),
  'session-closed': transient(503, 'The session ended first; connect again and send it anew.'),
  'transport-busy': transient(
    503,
    'Too many messages wait for the broker; wait for some to be acknowledged.',
  ),
  'listen-failed': refusal(
    500,
    'The address cannot be listened on; free it or configure another one.',
  ),
  'plaintext-refused': refusal(
    500,
    'Configure TLS for an address beyond loopback, or say --insecure-plaintext.',
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCodes;
