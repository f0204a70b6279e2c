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
  'rollout-of-another': refusal(
    403,
    'Only its author changes a draft; have it denied with a reason, or draft another one.',
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
  'protocol-unspoken': refusal(
    409,
    'Agent and server share no protocol version; update the older one, nothing is offered until then.',
  ),
  regressed: refusal(
    409,
    'The model was committed and failed later; look at the device and its last windows.',
  ),
  'sample-devices': transient(
    409,
    'Too few devices report yet; wait, or lower minimumSample.devices in a new rollout.',
  ),
  'sample-inferences': transient(
    409,
    'Too few inferences are in yet; wait, or lower minimumSample.inferences in a new rollout.',
  ),
  'silent-past-deadline': refusal(
    409,
    'The device acknowledged the update and then reported no outcome; look at the device.',
  ),
  'person-decided': refusal(409, 'A person decided this; the audit entry names who and why.'),

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
  'byte-cap-reached': transient(
    507,
    'The monthly byte cap is used up; raise it in the device configuration, or wait for the next month.',
  ),
  'slot-name-refused': input(422, 'Name each file of a slot once, by a bare name.'),
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
  'precision-mismatch': input(
    422,
    'Leave precision out, or name what the weights of the graph are stored as, as the message says.',
  ),

  'default-answer-invalid': input(
    422,
    'Give the default answer one row of every declared output, in its type and shape, with numbers that are some.',
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
  'generation-leaps': refusal(
    409,
    'The order skips too many numbers to be honest; look who else holds the director key, and rotate it.',
  ),
  'director-version-unknown': refusal(
    409,
    'The order speaks for director keys that no verified director.json lists; publish them first.',
  ),
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
  'frame-expired': input(
    410,
    'The message came after the instant up to which its sender wanted it taken; send a new one.',
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

  // Fetching
  'fetch-cancelled': transient(503, 'The request was called off by its own side; nothing to do.'),

  // Fleet server: store, audit, telemetry
  'store-busy': transient(503, 'The database has more work than it can do; try again shortly.'),
  'store-failed': transient(
    500,
    'Look at the cause and at the disk; the database refused a statement.',
  ),
  'broker-closed': transient(
    503,
    'The broker takes no connections; try again, and if it lasts, restart the server.',
  ),
  'store-closed': transient(503, 'The server is stopping; try again when it is back.'),
  'store-conflict': refusal(409, 'The name is taken or the thing has changed; read it again.'),
  'store-corrupt': refusal(
    500,
    'Stop the server and restore the newest backup; the database file is damaged.',
  ),
  'store-foreign': refusal(500, 'Point the server at its own database file, or at a new path.'),
  'store-too-new': refusal(
    500,
    'Start the newer program again, or restore the backup made before its migration.',
  ),
  'store-no-transaction': transient(500, 'The database gave up the transaction; try again.'),
  'revocations-cut': refusal(
    409,
    'Orders carry part of the revocations only; see that every device reaches its origin, where the whole list is.',
  ),
  'audit-cut': refusal(
    409,
    'Rows are missing from the end of the audit chain; compare with a backup.',
  ),
  'audit-rewritten': refusal(
    409,
    'The named audit row is not what was written; compare with a backup.',
  ),
  'audit-forked': refusal(
    409,
    'A witness saw another history at the named row; find out who replaced the database.',
  ),
  'telemetry-busy': transient(503, 'The server keeps up no longer; the device sends again later.'),
  'window-too-far-ahead': transient(
    409,
    'Send the older windows first; too many lie above a gap that was never filled.',
  ),

  // Enrolment and login
  'claim-unknown': input(403, 'Ask the operator for a new claim; this one does not exist.'),
  'claim-expired': input(403, 'Ask the operator for a new claim; this one has expired.'),
  'claim-used-up': input(
    403,
    'Ask the operator for a new claim; this one was used as often as allowed.',
  ),
  'claim-id-mismatch': input(403, 'Use a device id that the claim allows.'),
  'device-known': input(
    409,
    'The id belongs to another key; decommission it or choose another id.',
  ),
  'device-unknown': input(401, 'Enrol the device first.'),
  'device-pending': refusal(403, 'An operator must accept the device.'),
  'device-rejected': refusal(
    403,
    'An operator has rejected the device; enrol it under another id.',
  ),
  'device-decommissioned': refusal(403, 'The device was decommissioned; enrol it anew.'),
  'challenge-unknown': input(401, 'Ask for a new challenge and answer within a minute.'),
  'audience-mismatch': input(
    403,
    'Sign for the name of the server that is asked; the message says it.',
  ),
  'too-many-challenges': transient(429, 'Wait a minute; too many challenges wait for an answer.'),
  'too-many-sessions': transient(
    503,
    'The server has no room for another device; it is tried again.',
  ),
  'report-for-another': input(403, 'A device reports for itself only.'),
  'session-unknown': input(401, 'Log in again; the session has ended or the server was restarted.'),
  'kind-not-expected': input(400, 'Nothing was asked of this kind; the message has no effect.'),

  // Workshop
  'data-set-too-small': refusal(
    422,
    'Install the locked packages with npm ci, or give a folder with more labelled files.',
  ),

  // Age of the metadata
  'metadata-stale': transient(
    503,
    'The device has not verified fresh metadata for longer than its bundle allows; let it reach its origin.',
  ),

  // Installing
  revoked: refusal(410, 'The bundle was revoked; publish and roll out a good one.'),
  'agent-too-old': refusal(
    409,
    'Update the agent of the device: the bundle needs a newer one, which then tries it by itself.',
  ),
  'no-fitting-variant': refusal(
    409,
    'Pack a variant for the providers and memory that the device reports.',
  ),
  'signatures-disagree': input(
    409,
    'Director and offline signatures name different digests: look for a stolen director key.',
  ),
  'target-mismatch': input(409, 'The signed target is of another app; order the right path.'),
  'target-retired': input(410, 'The target is retired; roll out a live one.'),
  'target-not-for-fleet': input(403, 'Sign the target for this fleet first.'),
  'target-not-for-class': input(
    409,
    'Target only devices of the class that the bundle was signed for.',
  ),

  // Proving a bundle
  'golden-mismatch': refusal(
    422,
    'The device computes other numbers than the workshop; pack for this provider or widen the tolerance on purpose.',
  ),
  'crash-loop': refusal(
    422,
    'The model ended its process again and again; look at its memory and operators.',
  ),
  'answer-not-finite': refusal(
    422,
    'The model answered with numbers that are none; check its weights and inputs.',
  ),
  'answer-form-unexpected': refusal(
    422,
    'The output does not have the declared labels; correct the post-processing.',
  ),

  // Agent
  'no-model': transient(503, 'No model runs for this app; look at `device explain`.'),
  'no-director-known': transient(
    503,
    'The device has not verified the director keys yet; check its path to the metadata.',
  ),
  'agent-stopped': transient(
    503,
    'The agent has ended; what was under way goes on at its next start.',
  ),

  // Signing targets on an operator's machine
  'repository-begun': refusal(409, 'Leave out --first: this repository has targets already.'),
  'base-unseen': refusal(
    409,
    'Begin on a machine that saw or signed what is published; other holders then add --proposal.',
  ),
  'share-unlisted': refusal(
    409,
    'Sign with a share that root lists for this role; `skein keys rotate` brings one in.',
  ),

  // Image repository and its registry
  'layout-unreadable': input(
    422,
    'Give the folder of an OCI image layout with exactly one bundle; build or pull it again.',
  ),
  'digest-mismatch': input(
    422,
    'The content is not what its digest names; fetch or build it again and look at its source.',
  ),
  'root-already-published': refusal(
    409,
    'Propose the next version: a published root is never replaced.',
  ),
  'wrong-passphrase': refusal(
    401,
    'Give the passphrase of this key share; if it is right, the file was changed.',
  ),
  'metadata-name-refused': input(
    400,
    'Publish <version>.root.json, <version>.targets.json or a federated role; the server makes the others.',
  ),
  'metadata-not-next': input(
    409,
    'Fetch the newest version, sign the one after it, and publish again.',
  ),
  'root-mismatch': refusal(
    500,
    'The configured first root is not the one this repository began with; restore the right one.',
  ),
  'online-key-unlisted': refusal(
    409,
    'Sign a root that lists the snapshot and timestamp keys of this server, each with threshold 1.',
  ),
  'key-in-two-roles': refusal(409, 'Make a key of its own for each role: one key, one purpose.'),
  'key-missing': refusal(500, 'Create the online keys with `skein init`, or restore their folder.'),
  'key-unreadable': refusal(
    500,
    'Restore the key file or its passphrase; the file is damaged or locked.',
  ),
  'key-file-exposed': refusal(500, 'Take the key file away from group and others: chmod 600.'),
  'offline-key-on-server': refusal(
    500,
    'Move the root or targets key to the machine of its holder; the server must not have it.',
  ),
  'data-folder-crowded': refusal(
    500,
    'Move everything foreign out of the data folder: all of it is searched for offline keys.',
  ),
  'role-lost': input(
    409,
    'Keep the delegation; rotate its key to one that nobody has to silence it.',
  ),
  'delegation-refused': input(
    422,
    'Delegate only federated-<fleet>, for federated/<fleet>/*, terminating, with a key of its own.',
  ),
  'target-path-refused': input(
    422,
    'Name targets bundles/<name>@<version>, or federated/<fleet>/<name>@<version> in a federated role.',
  ),
  'release-invalid': input(422, 'Correct `custom` of the target as the message says.'),
  'release-changed': input(409, 'Publish a new version: what was published never changes.'),
  'release-lost': input(409, 'Keep the target and set its status to retired.'),
  'release-counter-low': input(409, 'Give a new release a counter above all others of its name.'),
  'below-rollback-floor': input(
    409,
    'Retire releases below the rollback floor, or publish above it.',
  ),
  'rollback-floor-lowered': input(
    409,
    'A rollback floor only rises; publish the old program as a new one.',
  ),
  'director-keys-older': input(409, 'Raise the version in director.json whenever its keys change.'),
  'revocation-lost': input(409, 'Keep every entry of revoked.json; publish a new version instead.'),
  'fixed-target-missing': input(
    409,
    'Upload director.json and revoked.json as signed before the targets file that names them.',
  ),
  'bundle-incomplete': input(
    409,
    'Upload the manifest and every blob it names before the targets file.',
  ),
  'candidate-differs': input(
    422,
    'Build the candidate from its parent: only the federable tensors may be other ones.',
  ),
  'upload-digest-mismatch': input(400, 'Send the bytes that the digest names; nothing was kept.'),
  'not-published': input(
    404,
    'Check name, version and digest; only what a readable bundle names is served.',
  ),
  'range-not-satisfiable': input(
    416,
    'Ask for a range inside the blob; its size is in the answer.',
  ),

  // Metrics door of the agent
  'method-refused': input(405, 'Ask with GET or HEAD; this address is only read.'),

  // REST: access, requests, answers
  'not-found': input(404, 'Check fleet and id; what your token may not see is not there either.'),
  'route-unknown': input(404, 'Look the path up in /openapi.json.'),
  'token-missing': input(
    401,
    'Send `Authorization: Bearer` with an API token; `skein token create` makes one.',
  ),
  'token-revoked': input(401, 'Ask an admin for a new token; this one was revoked.'),
  'role-insufficient': input(403, 'Ask somebody whose role allows it; the message names the role.'),
  'host-refused': input(421, 'Ask by a name the server knows, or add the name to `http.hosts`.'),
  'media-type-refused': input(415, 'Send the content type that the route names in /openapi.json.'),
  'rate-limited': transient(429, 'Send less; try again after the seconds in Retry-After.'),
  'precondition-required': input(428, 'Read the thing first and send its ETag in If-Match.'),
  'precondition-failed': input(
    412,
    'Somebody changed it since you read it; read it again and decide anew.',
  ),
  'cursor-invalid': input(
    400,
    'Start from the first page; a cursor belongs to the list and filter it came from.',
  ),
  'idempotency-mismatch': input(
    422,
    'Use a new Idempotency-Key; this one was used with another request.',
  ),
  'idempotency-running': transient(
    409,
    'The first request of this Idempotency-Key still runs; ask again shortly.',
  ),
  'answer-not-kept': refusal(
    409,
    'The answer held a secret and was not kept: remove what was made, then make it anew with a new key.',
  ),
  'streams-exhausted': transient(
    503,
    'Too many event streams are open; close one, or poll the list.',
  ),
  'device-wrong-state': refusal(
    409,
    'The device is in another state now; look at it and decide again.',
  ),
  'name-taken': refusal(409, 'Choose another name; this one is taken, even if it was revoked.'),
  'bundle-unknown': refusal(422, 'Publish the bundle first, or correct path and digest.'),
  'bundle-not-live': refusal(
    409,
    'This bundle is retired and no device installs it; make it live in the next targets file, or publish a new one.',
  ),
  unexpected: refusal(500, 'This is a defect of Skein; report it with the request id and the log.'),

  'enrolment-string-invalid': input(
    400,
    'Copy the whole enrolment string that `skein claim create` printed.',
  ),
  'command-line-invalid': input(400, 'Correct the command line; --help shows its form.'),

  // Server configuration and start
  'config-invalid': input(400, 'Correct the key that the pointer names; unknown keys are refused.'),
  'secret-file-exists': refusal(409, 'Move the file away first; a secret is never overwritten.'),

  // Federated rounds
  'update-malformed': input(
    400,
    'Send the header and little-endian float32 tensors in the order the bundle declares them.',
  ),
  'update-shape-mismatch': input(422, 'Send as many tensors and elements as the bundle declares.'),
  'update-for-another': input(409, 'Train again from the bundle and the round that were ordered.'),
  'update-not-finite': input(422, 'Check the training: the update holds NaN or infinity.'),
  'update-norm-exceeded': input(
    422,
    'Clip the update to the norm that the bundle was signed with.',
  ),
  'update-missing': input(409, 'Upload the update first, then send the report that names it.'),
  'update-repeated': input(409, 'One device gives one update to a round; it was counted already.'),
  'round-unknown': input(404, 'The round is not known or not open; wait for a new order.'),
  'not-invited': input(403, 'Only devices that a round has chosen may send it updates.'),
  'round-closed': refusal(409, 'The round has ended or reached its goal; wait for the next one.'),
  'round-spec-invalid': input(
    422,
    'Correct the request: the bundle must be federable and its signed floors kept.',
  ),
  'rounds-exhausted': refusal(409, 'Wait until an open round of the fleet has ended.'),
  'round-for-another': input(403, 'The order names another device, key or enrolment.'),
  'round-expired': refusal(409, 'The order came too late; the next round is another chance.'),
  'round-repeated': refusal(409, 'The device has done this round, or given it up.'),
  'round-bundle-not-running': refusal(409, 'Roll the bundle out to the device first.'),
  'not-federable': input(422, 'Sign the bundle with a training graph and the federable tensors.'),
  'below-round-floor': refusal(
    409,
    'The order asks for less than the floors signed into the bundle; raise cohort or lower epochs.',
  ),
  'too-few-examples': refusal(409, 'Wait until the device has seen more labelled examples.'),
  'round-budget-spent': refusal(409, 'The device has taken part often enough for today.'),
  'round-too-few-devices': refusal(
    409,
    'Too few devices were eligible in time; widen the fleet or wait longer.',
  ),
  'round-too-few-updates': refusal(
    409,
    'Too few devices answered in time; give the round more time or devices.',
  ),
  'round-abandoned': refusal(
    409,
    'The round behind this candidate was given up, so its rollout was aborted; start a new round.',
  ),
  'training-diverged': refusal(422, 'Lower the learning rate: the training ended in no number.'),
  'candidate-not-better': refusal(
    422,
    'The candidate is no better on held-out inputs; run more rounds or with more devices.',
  ),
  'candidate-too-far': input(
    422,
    'A tensor left the distance from its parent that was signed offline; train less, or sign anew.',
  ),
  'candidate-recipe-unknown': refusal(
    422,
    'The parent is not quantized in a way the workshop can repeat; build it with this workshop.',
  ),
  'candidate-golden-mismatch': refusal(
    422,
    'The candidate leaves the golden tolerance of its parent; train less.',
  ),
  'candidate-build-failed': transient(
    502,
    'The building process ended early; the log has its last words. It is tried again.',
  ),
  'aggregator-lost': transient(
    503,
    'The summing thread ended; the sum is filled again from the updates that were kept.',
  ),
  'held-out-malformed': input(422, 'Write the held-out set with the workshop and upload it again.'),
  'training-off': refusal(
    409,
    'The owner of the device has switched training off (`policy.mayTrain`); it stays out of rounds.',
  ),
  'training-interrupted': transient(
    503,
    'The agent stopped while it trained; it is ordered again.',
  ),
  'federation-off': refusal(
    409,
    'The server holds no rounds: publish a first root, then start it again.',
  ),
  'parent-unknown': input(
    422,
    'A candidate must name a live federable bundle as its parent; ask the server for a new one.',
  ),

  // Agent daemon and its doors
  'ca-mismatch': refusal(
    502,
    'The server shows another certificate authority than the enrolment string names; do not go on, ask the operator.',
  ),
  'not-enrolled': refusal(409, 'Enrol the device first: `skein agent enrol STRING --state DIR`.'),
  'already-enrolled': refusal(
    409,
    'This state folder belongs to an enrolled device; use a new folder for a new enrolment.',
  ),
  'input-failed': transient(
    500,
    'The input could not be read; look at the source that the message names.',
  ),
  'tensor-malformed': input(
    400,
    'Send tensors as the Open Inference Protocol V2 says; the message names the one that is wrong.',
  ),
  'binary-size-mismatch': input(
    400,
    'Make Inference-Header-Content-Length and binary_data_size add up to the body.',
  ),
  'model-unknown': input(
    404,
    'Ask for a model that this device runs; GET /v2 and `skein agent status` tell.',
  ),
  'version-not-active': input(404, 'Ask for the version that runs, or leave the version out.'),

  // Events
  'events-missed': refusal(
    410,
    'Events between are no longer kept: list what you follow again, then go on from here.',
  ),

  // Backup and restore of a server
  'folder-not-empty': refusal(
    409,
    'Name a folder that is empty or not there yet; nothing is ever overwritten.',
  ),
  'backup-incomplete': refusal(
    409,
    'The backup lacks a file or a blob that its own list names; use another one.',
  ),
  'backup-altered': refusal(
    409,
    'A file of the backup is not what was backed up; use another one, and look who could write there.',
  ),

  // What `skein doctor` finds
  'node-too-old': refusal(500, 'Install the Node version that the message names, or a later one.'),
  'runtime-missing': refusal(
    500,
    'Run npm ci again on this machine: the inference runtime does not load, or answers wrong.',
  ),
  'database-missing': refusal(
    500,
    'Run npm rebuild better-sqlite3, with a C++ toolchain at hand; only the server needs it.',
  ),
  'memory-low': refusal(507, 'Raise the memory limit, or run smaller models with fewer threads.'),
  'zones-missing': refusal(
    500,
    'Use a Node build with full ICU data; maintenance windows need the zone rules.',
  ),
  'clock-wrong': refusal(
    500,
    'Set the clock by NTP; signed metadata is judged by it on this machine.',
  ),
  'tls-untrusted': refusal(
    502,
    'Renew the certificate, or give the authority that signed it to this machine.',
  ),
  'folder-exposed': refusal(403, 'Take the rights of group and others away with chmod.'),
  'tuf-expires-soon': refusal(502, 'Sign the role anew before it expires; see `skein keys`.'),
  'tuf-expires-within-week': refusal(
    502,
    'Gather the people who hold the keys and sign the role anew this week; see `skein keys`.',
  ),
  'tuf-expires-within-day': refusal(
    502,
    'Sign the role anew now; once it has expired no device installs anything new. See `skein keys`.',
  ),
  'plaintext-door': refusal(
    500,
    'Whoever is on the way can read and change what passes; give the listener a certificate.',
  ),
  'store-damaged': refusal(
    500,
    'Let the agent run: it removes what has rotted and fetches it again. Check the medium.',
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCodes;
