import { canonicalize } from '@tufjs/canonical-json';
import { hexOf, textOf, utf8 } from '../../core/bytes.ts';
import type { Json } from '../../core/canonical-json.ts';
import { invariant } from '../../core/invariant.ts';
import type { Signer } from '../../ports/signer.ts';
import { sha256Hex } from '../hash.ts';
import { isJsonObject, type JsonObject, memberText, parseStrictJson } from '../strict-json.ts';
import type { TopLevelRole } from './metadata.ts';

/**
 * The writer's side of a TUF repository, for server and command line: bodies are plain JSON, signatures come from an
 * argument, and signed text is carried on byte for byte. File names are `remoteMetadataName`'s.
 */
export interface TufPublicKey {
  readonly keyId: string;
  readonly json: JsonObject;
}

export interface TufSignature {
  readonly keyid: string;
  /** Lower-case hexadecimal. */
  readonly sig: string;
}

/** Signs the OLPC canonical form of a body; holds the secret key so that this file never does. */
export type TufSign = (bytes: Uint8Array) => TufSignature;

export interface RoleGrant {
  readonly keys: readonly TufPublicKey[];
  readonly threshold: number;
}

interface BodyOptions {
  readonly version: number;
  readonly expiresAtMs: number;
}

/** An Ed25519 public key (32 bytes) with its id: SHA-256 of the canonical key object (4.3). */
export function ed25519Key(publicKey: Uint8Array): TufPublicKey {
  invariant(publicKey.length === 32, 'an Ed25519 public key has 32 bytes');
  const json = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hexOf(publicKey) } };
  return { keyId: sha256Hex(utf8(canonicalize(json))), json };
}

/** 4.3; consistent snapshots are on, because a CDN may cache for ever what never changes. */
export function rootBody(
  options: BodyOptions & { readonly roles: Readonly<Record<TopLevelRole, RoleGrant>> },
): JsonObject {
  const { roles } = options;
  const grants = [roles.root, roles.timestamp, roles.snapshot, roles.targets];
  return {
    ...commonBody('root', options),
    consistent_snapshot: true,
    keys: keysJson(grants),
    roles: {
      root: grantJson(roles.root),
      timestamp: grantJson(roles.timestamp),
      snapshot: grantJson(roles.snapshot),
      targets: grantJson(roles.targets),
    },
  };
}

export interface TargetEntry {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly custom?: Json;
}

export interface DelegationGrant extends RoleGrant {
  readonly name: string;
  readonly paths: readonly string[];
  readonly terminating: boolean;
}

/** 4.5, for the top-level role and for delegated ones. */
export function targetsBody(
  options: BodyOptions & {
    readonly targets: readonly TargetEntry[];
    readonly delegations?: readonly DelegationGrant[];
  },
): JsonObject {
  const { targets, delegations } = options;
  return {
    ...commonBody('targets', options),
    targets: targetsJson(targets),
    ...(delegations === undefined ? {} : { delegations: delegationsJson(delegations) }),
  };
}

export function targetsJson(targets: readonly TargetEntry[]): JsonObject {
  return Object.fromEntries(
    targets.map(({ path, bytes, custom }) => [
      path,
      { ...lengthAndHashes(bytes), ...(custom === undefined ? {} : { custom }) },
    ]),
  );
}

export function delegationsJson(delegations: readonly DelegationGrant[]): JsonObject {
  return {
    keys: keysJson(delegations),
    roles: delegations.map((grant) => ({
      name: grant.name,
      terminating: grant.terminating,
      paths: [...grant.paths],
      ...grantJson(grant),
    })),
  };
}

/** 4.4: `files` are the signed targets files by role name, as they will be served. */
export function snapshotBody(
  options: BodyOptions & { readonly files: ReadonlyMap<string, Uint8Array> },
): JsonObject {
  const meta = [...options.files].map(
    ([role, bytes]) => [`${role}.json`, metaJson(bytes)] as const,
  );
  return { ...commonBody('snapshot', options), meta: Object.fromEntries(meta) };
}

/** 4.6: `snapshot` is the signed snapshot file, as it will be served. */
export function timestampBody(
  options: BodyOptions & { readonly snapshot: Uint8Array },
): JsonObject {
  const meta = { 'snapshot.json': metaJson(options.snapshot) };
  return { ...commonBody('timestamp', options), meta };
}

/** The next version of a body that was read before: fields unknown to us stay. */
export function nextBody(
  body: JsonObject,
  options: { readonly expiresAtMs: number; readonly change: JsonObject },
): JsonObject {
  const expires = expiresText(options.expiresAtMs);
  return { ...body, ...options.change, version: Number(body['version']) + 1, expires };
}

/** Serializes a body for the first and only time, and signs it. */
export function signBody(body: JsonObject, signers: readonly TufSign[]): Uint8Array {
  const canonical = utf8(canonicalize(body));
  return fileOf(
    JSON.stringify(body),
    signers.map((sign) => sign(canonical)),
  );
}

/** `signBody` with a key behind a port, which may sign outside of this process: the online roles of a server. */
export async function signBodyOnline(body: JsonObject, signer: Signer): Promise<Uint8Array> {
  const signature = await signer.sign(utf8(canonicalize(body)));
  const { keyId } = ed25519Key(signer.publicKey);
  return fileOf(JSON.stringify(body), [{ keyid: keyId, sig: hexOf(signature) }]);
}

/**
 * One more signature on a file that others have signed, for offline thresholds; an older one of the same key is
 * replaced. The text of `signed` is carried on unchanged.
 */
export function addSignature(file: Uint8Array, sign: TufSign): Uint8Array {
  const { signed, signatures, signedText } = readFile(file);
  const added = sign(utf8(canonicalize(signed)));
  return fileOf(signedText, [...signatures.filter(({ keyid }) => keyid !== added.keyid), added]);
}

function readFile(file: Uint8Array): {
  readonly signed: JsonObject;
  readonly signatures: readonly TufSignature[];
  readonly signedText: string;
} {
  const value = parseStrictJson(file);
  invariant(isJsonObject(value), 'a metadata file is an object');
  const { signed, signatures } = value;
  const signedText = memberText(textOf(file) ?? '', 'signed');
  invariant(isJsonObject(signed) && signedText !== undefined, 'a metadata file has `signed`');
  invariant(Array.isArray(signatures), 'a metadata file has `signatures`');
  return { signed, signedText, signatures: signatures as readonly TufSignature[] };
}

const fileOf = (signedText: string, signatures: readonly TufSignature[]): Uint8Array =>
  utf8(`{"signatures":${JSON.stringify(signatures)},"signed":${signedText}}`);

const commonBody = (type: TopLevelRole, { version, expiresAtMs }: BodyOptions): JsonObject => ({
  _type: type,
  spec_version: '1.0.34',
  version,
  expires: expiresText(expiresAtMs),
});

/** 4.2.1: UTC to the second. */
const expiresText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');

const keysJson = (grants: readonly RoleGrant[]): JsonObject =>
  Object.fromEntries(grants.flatMap(({ keys }) => keys.map(({ keyId, json }) => [keyId, json])));

const grantJson = ({ keys, threshold }: RoleGrant): JsonObject => ({
  keyids: keys.map(({ keyId }) => keyId),
  threshold,
});

function metaJson(bytes: Uint8Array): JsonObject {
  const { signed } = readFile(bytes);
  return { version: signed['version'] ?? null, ...lengthAndHashes(bytes) };
}

const lengthAndHashes = (bytes: Uint8Array): JsonObject => ({
  length: bytes.length,
  hashes: { sha256: sha256Hex(bytes) },
});
