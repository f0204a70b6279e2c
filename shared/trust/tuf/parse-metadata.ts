import type { Json } from '../../core/canonical-json.ts';
import { err, ok, type Result } from '../../core/result.ts';
import { entriesOf, type JsonObject, parseStrictJson } from '../strict-json.ts';
import { type TufFailure, tufFailure } from './failure.ts';
import type {
  Hashes,
  MetaFile,
  Root,
  SignedFile,
  Snapshot,
  Targets,
  Timestamp,
  TopLevelRole,
  TufBodies,
} from './metadata.ts';
import { topLevelRoles } from './metadata.ts';
import { readDelegations, readKeys, readRoleKeys } from './parse-roles.ts';
import { MalformedMetadata, need, needInteger, needObject, needText } from './shape.ts';

/**
 * Bytes to one kind of metadata file (specification 4.1 to 4.6). Fields unknown to us are kept in `signed`, because
 * signatures cover them. The caller has bounded the bytes. Fails with `tuf-malformed-metadata`.
 */
export function parseMetadata<K extends TopLevelRole>(
  kind: K,
  bytes: Uint8Array,
): Result<SignedFile<TufBodies[K]>, TufFailure> {
  try {
    const file = needObject(parseStrictJson(bytes), 'the file');
    const signed = needObject(file['signed'], 'signed');
    need(signed['_type'] === kind, `_type is not "${kind}"`);
    const body = bodyReaders[kind](signed);
    return ok({ bytes, body, signed, signatures: readSignatures(file['signatures']) });
  } catch (error) {
    if (!(error instanceof MalformedMetadata)) throw error;
    return err(tufFailure('tuf-malformed-metadata', kind, error.message));
  }
}

const bodyReaders: { readonly [K in TopLevelRole]: (signed: JsonObject) => TufBodies[K] } = {
  root: readRoot,
  timestamp: readTimestamp,
  snapshot: readSnapshot,
  targets: readTargets,
};

/** 4.2.1: a key id stands at most once, whether or not the rest would reach the threshold. */
function readSignatures(value: Json | undefined): ReadonlyMap<string, string> {
  need(Array.isArray(value), 'signatures is not a list');
  const signatures = new Map<string, string>();
  for (const item of value as readonly Json[]) {
    const entry = needObject(item, 'a signature');
    const keyId = needText(entry['keyid'], 'keyid');
    need(!signatures.has(keyId), `key id ${keyId} signs twice`);
    signatures.set(keyId, needText(entry['sig'], 'sig'));
  }
  return signatures;
}

/** 4.3: `spec_version` of our major version, `version` above 0, `expires` in UTC to the second. */
function readCommon(signed: JsonObject): {
  readonly version: number;
  readonly expiresAtMs: number;
} {
  const specVersion = needText(signed['spec_version'], 'spec_version');
  need(/^1\.\d{1,6}(\.\d{1,6})?$/.test(specVersion), `spec_version ${specVersion} is not 1.x`);
  const expires = needText(signed['expires'], 'expires');
  const expiresAtMs = Date.parse(expires);
  // A date that does not parse compares as "never expired": refuse it here.
  need(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(expires) && Number.isFinite(expiresAtMs),
    'expires is not a UTC time',
  );
  return { version: needInteger(signed['version'], 1, 'version'), expiresAtMs };
}

function readRoot(signed: JsonObject): Root {
  const roles = new Map(
    entriesOf(needObject(signed['roles'], 'roles')).map(([name, value]) => [
      name,
      readRoleKeys(needObject(value, `role ${name}`)),
    ]),
  );
  for (const role of topLevelRoles) need(roles.has(role), `role ${role} is missing`);
  const consistentSnapshot = signed['consistent_snapshot'];
  need(typeof consistentSnapshot === 'boolean', 'consistent_snapshot is not a boolean');
  return {
    kind: 'root',
    ...readCommon(signed),
    keys: readKeys(signed['keys']),
    roles,
    consistentSnapshot: consistentSnapshot === true,
  };
}

function readTimestamp(signed: JsonObject): Timestamp {
  const meta = needObject(signed['meta'], 'meta');
  return {
    kind: 'timestamp',
    ...readCommon(signed),
    snapshot: readMetaFile(meta['snapshot.json'], 'snapshot.json'),
  };
}

function readSnapshot(signed: JsonObject): Snapshot {
  const meta = new Map(
    entriesOf(needObject(signed['meta'], 'meta')).map(([name, value]) => [
      name,
      readMetaFile(value, name),
    ]),
  );
  return { kind: 'snapshot', ...readCommon(signed), meta };
}

function readTargets(signed: JsonObject): Targets {
  const targets = new Map(
    entriesOf(needObject(signed['targets'], 'targets')).map(([path, value]) => {
      const entry = needObject(value, `target ${path}`);
      return [
        path,
        {
          path,
          length: needInteger(entry['length'], 0, 'length'),
          hashes: readHashes(entry['hashes'], path),
          custom: entry['custom'],
        },
      ];
    }),
  );
  const delegations = signed['delegations'];
  return {
    kind: 'targets',
    ...readCommon(signed),
    targets,
    delegations: delegations === undefined ? undefined : readDelegations(delegations),
    rollbackFloor: signed['rollbackFloor'],
  };
}

function readMetaFile(value: Json | undefined, name: string): MetaFile {
  const entry = needObject(value, name);
  const { length, hashes } = entry;
  return {
    version: needInteger(entry['version'], 1, `version of ${name}`),
    ...(length === undefined ? {} : { length: needInteger(length, 0, `length of ${name}`) }),
    ...(hashes === undefined ? {} : { hashes: readHashes(hashes, name) }),
  };
}

function readHashes(value: Json | undefined, name: string): Hashes {
  const hashes = new Map(
    entriesOf(needObject(value, `hashes of ${name}`)).map(([algorithm, hex]) => [
      algorithm,
      needText(hex, `hash of ${name}`),
    ]),
  );
  // A file whose only hashes we cannot compute would pass unchecked.
  need(hashes.has('sha256') || hashes.has('sha512'), `${name} has neither sha256 nor sha512`);
  return hashes;
}
