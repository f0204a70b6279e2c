import { err, ok, type Result } from '../../core/result.ts';
import { type TufFailure, tufFailure } from './failure.ts';
import { isListedFile } from './file-hash.ts';
import type {
  KeyRing,
  MetaFile,
  RoleKeys,
  Root,
  SignedFile,
  Snapshot,
  Targets,
  Timestamp,
  TopLevelRole,
  TufBodies,
} from './metadata.ts';
import { parseMetadata } from './parse-metadata.ts';
import { meetsThreshold } from './signature.ts';
import { isExpired, type UpdateTime } from './update-time.ts';

/** The checks of specification 1.0.34, section 5, as pure decisions over bytes and what is trusted already. */
type Verified<Body> = Result<SignedFile<Body>, TufFailure>;

const refuse = (
  code: TufFailure['code'],
  subject: string,
  message: string,
): { readonly ok: false; readonly error: TufFailure } => err(tufFailure(code, subject, message));

/** 5.2: a root we start from must at least be whole, which its own signatures show. */
export function verifyFirstRoot(bytes: Uint8Array): Verified<Root> {
  const parsed = parseMetadata('root', bytes);
  if (!parsed.ok) return parsed;
  const { body } = parsed.value;
  return meetsThreshold(parsed.value, body, body.roles.get('root'))
    ? parsed
    : refuse('tuf-threshold-root', 'root', 'root does not meet its own threshold');
}

/** 5.3.4 and 5.3.5: signed by the old and the new threshold, exactly one version further. */
export function verifyNextRoot(bytes: Uint8Array, trusted: Root): Verified<Root> {
  const parsed = parseMetadata('root', bytes);
  if (!parsed.ok) return parsed;
  if (!meetsThreshold(parsed.value, trusted, trusted.roles.get('root'))) {
    return refuse(
      'tuf-threshold-root',
      'root',
      `not signed by root ${trusted.version}'s threshold`,
    );
  }
  const own = verifyFirstRoot(bytes);
  if (!own.ok) return own;
  const { version } = own.value.body;
  return version === trusted.version + 1
    ? own
    : refuse('tuf-version-mismatch', 'root', `version ${version} follows ${trusted.version}`);
}

/** 5.3.10: checked once, after the last root, so that an expired root can still be rotated away. */
export function checkRootExpiry(root: Root, time: UpdateTime): Result<Root, TufFailure> {
  return isExpired(root, time) ? refuse('tuf-expired-root', 'root', expiredAt(root)) : ok(root);
}

/**
 * Signatures alone, for a local file that only serves as the base of a rollback check: expired local metadata never
 * blocks fetching fresh metadata. A file of rotated keys fails here, which is the fast-forward recovery of 5.3.11:
 * nothing has to be deleted, so a crash cannot come between.
 */
export function verifyLocal<K extends Exclude<TopLevelRole, 'root'>>(
  kind: K,
  bytes: Uint8Array,
  root: Root,
): Verified<TufBodies[K]> {
  const parsed = parseMetadata(kind, bytes);
  if (!parsed.ok || meetsThreshold(parsed.value, root, root.roles.get(kind))) return parsed;
  return refuse(`tuf-threshold-${kind}`, kind, `not signed by ${kind}'s threshold`);
}

/** 5.4.2 to 5.4.4. `'same'`: equal version, the trusted file stays (its own expiry is checked by the caller). */
export function verifyTimestamp(
  bytes: Uint8Array,
  root: Root,
  options: { readonly trusted: Timestamp | undefined; readonly time: UpdateTime },
): Verified<Timestamp> | 'same' {
  const { trusted, time } = options;
  const verified = verifyLocal('timestamp', bytes, root);
  if (!verified.ok) return verified;
  const { body } = verified.value;
  if (trusted !== undefined) {
    // 5.4.3.1, with the silent stop on an equal version.
    if (body.version === trusted.version) return 'same';
    if (body.version < trusted.version) {
      return refuse('tuf-rollback-timestamp', 'timestamp', wentBack(trusted, body));
    }
    // 5.4.3.2
    if (body.snapshot.version < trusted.snapshot.version) {
      return refuse('tuf-rollback-snapshot', 'snapshot', wentBack(trusted.snapshot, body.snapshot));
    }
  }
  return checkTimestampExpiry(verified.value, time);
}

/** 5.4.4 */
export function checkTimestampExpiry(
  file: SignedFile<Timestamp>,
  time: UpdateTime,
): Verified<Timestamp> {
  return isExpired(file.body, time)
    ? refuse('tuf-expired-timestamp', 'timestamp', expiredAt(file.body))
    : ok(file);
}

/** 5.5.2 to 5.5.6 */
export function verifySnapshot(
  bytes: Uint8Array,
  root: Root,
  options: {
    readonly listed: MetaFile;
    readonly trusted: Snapshot | undefined;
    readonly time: UpdateTime;
  },
): Verified<Snapshot> {
  const { listed, trusted, time } = options;
  if (!isListedFile(bytes, listed)) {
    return refuse('tuf-hash-mismatch', 'snapshot', 'length or hash differs from timestamp');
  }
  const verified = verifyLocal('snapshot', bytes, root);
  if (!verified.ok) return verified;
  const { body } = verified.value;
  if (body.version !== listed.version) {
    return refuse('tuf-version-mismatch', 'snapshot', `${body.version} is not ${listed.version}`);
  }
  const rollback = findTargetsRollback(trusted, body);
  if (rollback !== undefined) return rollback;
  return isExpired(body, time)
    ? refuse('tuf-expired-snapshot', 'snapshot', expiredAt(body))
    : verified;
}

/** 5.5.5: no targets file goes back, and none is dropped. */
function findTargetsRollback(
  trusted: Snapshot | undefined,
  next: Snapshot,
): { readonly ok: false; readonly error: TufFailure } | undefined {
  for (const [name, before] of trusted?.meta ?? []) {
    const after = next.meta.get(name);
    if (after === undefined) {
      return refuse('tuf-rollback-targets', name, `${name} is no longer in snapshot`);
    }
    if (after.version < before.version) {
      return refuse('tuf-rollback-targets', name, wentBack(before, after));
    }
  }
  return undefined;
}

/** Who delegates to a targets role: root for `targets`, a targets file for all others. */
export interface Delegator {
  readonly keyRing: KeyRing;
  readonly role: RoleKeys | undefined;
}

/** 5.6.2 to 5.6.5, for the top-level role and for each delegated one. */
export function verifyTargets(
  bytes: Uint8Array,
  delegator: Delegator,
  options: { readonly name: string; readonly listed: MetaFile; readonly time: UpdateTime },
): Verified<Targets> {
  const { name, listed, time } = options;
  if (!isListedFile(bytes, listed)) {
    return refuse('tuf-hash-mismatch', name, 'length or hash differs from snapshot');
  }
  const parsed = parseMetadata('targets', bytes);
  if (!parsed.ok) return refuse(parsed.error.code, name, parsed.error.message);
  if (!meetsThreshold(parsed.value, delegator.keyRing, delegator.role)) {
    return refuse('tuf-threshold-targets', name, 'not signed by the threshold of its delegator');
  }
  const { body } = parsed.value;
  if (body.version !== listed.version) {
    return refuse('tuf-version-mismatch', name, `${body.version} is not ${listed.version}`);
  }
  return isExpired(body, time) ? refuse('tuf-expired-targets', name, expiredAt(body)) : parsed;
}

const wentBack = (before: MetaFile | Timestamp, after: MetaFile | Timestamp): string =>
  `version ${after.version} after ${before.version}`;

const expiredAt = ({ expiresAtMs }: { readonly expiresAtMs: number }): string =>
  `expired at ${new Date(expiresAtMs).toISOString()}`;
