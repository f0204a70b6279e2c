import { createHash } from 'node:crypto';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import type { Json } from '../../shared/core/canonical-json.ts';
import { sha256, sha256Hex } from '../../shared/trust/hash.ts';
import type { JsonObject } from '../../shared/trust/strict-json.ts';
import { signBody } from '../../shared/trust/tuf/repository.ts';
import { ed25519Signer, type TestSigner } from './tuf-signers.ts';

/** Noon of a day well inside every test key's life. */
export const day0Ms = Date.UTC(2026, 2, 1, 12);
export const dayMs = 86_400_000;

interface RoleDraft {
  keyIds: string[];
  threshold: number;
  extra: JsonObject;
}

interface FileDraft {
  version: number;
  expiresAtMs: number;
  /** Who signs at the next publish, by key id. */
  readonly signers: Map<string, TestSigner>;
  extra: JsonObject;
}

interface MetaDraft {
  version: number;
  length?: number;
  hashes?: Record<string, string>;
}

export interface DelegationDraft extends RoleDraft {
  readonly name: string;
  terminating: boolean;
  paths?: readonly string[];
  pathHashPrefixes?: readonly string[];
}

interface TargetsDraft extends FileDraft {
  readonly files: Map<string, JsonObject>;
  readonly delegatedKeys: Map<string, JsonObject>;
  delegations: DelegationDraft[];
  succinct: (RoleDraft & { bitLength: number; namePrefix: string }) | undefined;
}

/**
 * A TUF repository in memory that signs for real and can misbehave: every draft may be edited before `publish`, and
 * every published byte afterwards. It remembers what it was asked for.
 */
export class TufRepository {
  readonly root: FileDraft & { consistentSnapshot: boolean };
  readonly timestamp: FileDraft;
  readonly snapshot: FileDraft;
  readonly targets = new Map<string, TargetsDraft>();
  readonly rootRoles = new Map<string, RoleDraft>();
  readonly rootKeys = new Map<string, JsonObject>();
  snapshotMeta = new Map<string, MetaDraft>();
  timestampMeta: MetaDraft = { version: 1 };
  /** Published bytes by role; version n is served from index n - 1. */
  readonly published = new Map<string, Uint8Array[]>();
  readonly artifacts = new Map<string, Uint8Array>();
  /** Metadata requests in order: `root 2`, `timestamp`, `snapshot 1`. */
  readonly requests: string[] = [];
  readonly artifactRequests: string[] = [];
  listsHashes = false;
  #signerCount = 0;

  constructor() {
    this.root = { ...this.#draft(), consistentSnapshot: true };
    this.timestamp = this.#draft();
    this.snapshot = this.#draft();
    this.targets.set('targets', this.#targetsDraft());
    for (const role of ['root', 'timestamp', 'snapshot', 'targets']) {
      this.rootRoles.set(role, { keyIds: [], threshold: 1, extra: {} });
      this.addKey(role);
    }
    this.publish('targets', 'snapshot', 'timestamp', 'root');
  }

  newSigner(): TestSigner {
    this.#signerCount += 1;
    return ed25519Signer(String(this.#signerCount));
  }

  /** A key for a top-level role: listed in the next root, and signing from now on. */
  addKey(role: string, signer: TestSigner = this.newSigner()): TestSigner {
    this.#rootRole(role).keyIds.push(signer.key.keyId);
    this.rootKeys.set(signer.key.keyId, signer.key.json);
    this.draftOf(role).signers.set(signer.key.keyId, signer);
    return signer;
  }

  clearKeys(role: string): void {
    this.#rootRole(role).keyIds = [];
    this.draftOf(role).signers.clear();
  }

  /** New keys in place of the old ones, as many as the threshold asks for. */
  rotateKeys(role: string): void {
    this.clearKeys(role);
    for (let i = 0; i < this.#rootRole(role).threshold; i += 1) this.addKey(role);
  }

  addDelegation(
    delegator: string,
    delegation: Partial<DelegationDraft> & { readonly name: string },
  ): void {
    const signer = this.newSigner();
    const from = this.targetsOf(delegator);
    from.delegatedKeys.set(signer.key.keyId, signer.key.json);
    from.delegations.push({
      keyIds: [signer.key.keyId],
      threshold: 1,
      terminating: false,
      extra: {},
      ...(delegation.pathHashPrefixes === undefined ? { paths: ['*'] } : {}),
      ...delegation,
    });
    const { name } = delegation;
    if (!this.targets.has(name)) this.targets.set(name, this.#targetsDraft());
    this.targetsOf(name).signers.set(signer.key.keyId, signer);
  }

  addSuccinctRoles(delegator: string, bitLength: number, namePrefix: string): void {
    const signer = this.newSigner();
    const from = this.targetsOf(delegator);
    from.delegatedKeys.set(signer.key.keyId, signer.key.json);
    const keyIds = [signer.key.keyId];
    from.succinct = { keyIds, threshold: 1, extra: {}, bitLength, namePrefix };
    for (let bin = 0; bin < 2 ** bitLength; bin += 1) {
      const digits = Math.ceil(bitLength / 4);
      const name = `${namePrefix}-${bin.toString(16).padStart(digits, '0')}`;
      this.targets.set(name, this.#targetsDraft());
      this.targetsOf(name).signers.set(signer.key.keyId, signer);
    }
  }

  addArtifact(role: string, path: string, content: string): void {
    const bytes = utf8(content);
    const hashes = { sha256: sha256Hex(bytes) };
    this.targetsOf(role).files.set(path, { length: bytes.length, hashes });
    this.artifacts.set(path, bytes);
  }

  /** Lists a target under other hashes; an algorithm that nobody knows gets the value of SHA-512. */
  listHashes(role: string, path: string, algorithms: readonly string[]): void {
    const bytes = this.artifacts.get(path) ?? new Uint8Array();
    const hashOf = (algorithm: string): string =>
      createHash(algorithm === 'sha256' ? 'sha256' : 'sha512')
        .update(bytes)
        .digest('hex');
    const hashes = Object.fromEntries(algorithms.map((name) => [name, hashOf(name)]));
    this.targetsOf(role).files.set(path, { length: bytes.length, hashes });
  }

  /** Signs and serves the next version of each role, in this order; parents list what was published last. */
  publish(...roles: readonly string[]): void {
    for (const role of roles) {
      const draft = this.draftOf(role);
      const versions = this.published.get(role);
      if (versions !== undefined) draft.version += 1;
      const signers = [...draft.signers.values()].map(({ sign }) => sign);
      const bytes = signBody(this.#bodyOf(role), signers);
      this.published.set(role, [...(versions ?? []), bytes]);
      if (role === 'root' || role === 'timestamp') continue;
      const listed = this.listsHashes
        ? { length: bytes.length, hashes: { sha256: hexOf(sha256(bytes)) } }
        : {};
      const meta = { version: draft.version, ...listed };
      if (role === 'snapshot') this.timestampMeta = meta;
      else this.snapshotMeta.set(`${role}.json`, meta);
    }
  }

  /** Publishes under version and place 1 again: what a rollback attack serves. */
  republishAt1(...roles: readonly string[]): void {
    for (const role of roles) {
      this.published.delete(role);
      this.draftOf(role).version = 1;
      this.publish(role);
    }
  }

  /** A metadata file by its served name, such as `2.root.json`; `undefined` is a 404. */
  serve(name: string): Uint8Array | undefined {
    const match = /^(?:(\d+)\.)?(.+)\.json$/.exec(name);
    const unversioned =
      name === 'timestamp.json' || (!this.root.consistentSnapshot && match?.[2] !== 'root');
    const role = unversioned ? name.slice(0, -'.json'.length) : (match?.[2] ?? '');
    const version = unversioned ? undefined : Number(match?.[1]);
    this.requests.push(version === undefined ? role : `${role} ${version}`);
    return this.latest(decodeURIComponent(role), version);
  }

  latest(role: string, version?: number): Uint8Array | undefined {
    const versions = this.published.get(role) ?? [];
    return version === undefined ? versions.at(-1) : versions[version - 1];
  }

  /** A target by its served path, hash prefix included. */
  serveTarget(path: string): Uint8Array | undefined {
    const segments = path.split('/').map(decodeURIComponent);
    const last = segments.pop() ?? '';
    const prefix = this.root.consistentSnapshot ? last.slice(0, last.indexOf('.')) : undefined;
    const name = prefix === undefined ? last : last.slice(prefix.length + 1);
    const target = [...segments, name].join('/');
    this.artifactRequests.push(target);
    const isListed = [...this.targets.values()].some(({ files }) => {
      const hashes = files.get(target)?.['hashes'] as Record<string, string> | undefined;
      if (hashes === undefined) return false;
      return prefix === undefined || Object.values(hashes).includes(prefix);
    });
    return isListed ? this.artifacts.get(target) : undefined;
  }

  /** Replaces the newest bytes of a role. */
  tamper(
    role: string,
    change: (file: { signatures: Json[]; signed: JsonObject }) => unknown,
  ): void {
    const versions = this.published.get(role) ?? [];
    const file = JSON.parse(Buffer.from(versions.at(-1) ?? []).toString()) as {
      signatures: Json[];
      signed: JsonObject;
    };
    versions[versions.length - 1] = utf8(JSON.stringify(change(file) ?? file));
  }

  draftOf(role: string): FileDraft {
    if (role === 'root') return this.root;
    if (role === 'timestamp') return this.timestamp;
    return role === 'snapshot' ? this.snapshot : this.targetsOf(role);
  }

  targetsOf(role: string): TargetsDraft {
    const draft = this.targets.get(role);
    if (draft === undefined) throw new Error(`no role ${role}`);
    return draft;
  }

  roleOf(role: string): RoleDraft {
    return this.#rootRole(role);
  }

  #rootRole(role: string): RoleDraft {
    const draft = this.rootRoles.get(role);
    if (draft === undefined) throw new Error(`no top-level role ${role}`);
    return draft;
  }

  #draft(): FileDraft {
    return { version: 1, expiresAtMs: day0Ms + 30 * dayMs, signers: new Map(), extra: {} };
  }

  #targetsDraft(): TargetsDraft {
    return {
      ...this.#draft(),
      files: new Map(),
      delegatedKeys: new Map(),
      delegations: [],
      succinct: undefined,
    };
  }

  #bodyOf(role: string): JsonObject {
    const draft = this.draftOf(role);
    const common = {
      ...draft.extra,
      spec_version: '1.0.34',
      version: draft.version,
      expires: new Date(draft.expiresAtMs).toISOString().replace(/\.\d{3}Z$/, 'Z'),
    };
    if (role === 'root') return { _type: 'root', ...common, ...this.#rootFields() };
    if (role === 'timestamp') {
      return {
        _type: 'timestamp',
        ...common,
        meta: { 'snapshot.json': { ...this.timestampMeta } },
      };
    }
    if (role === 'snapshot') {
      const meta = Object.fromEntries([...this.snapshotMeta].map(([k, v]) => [k, { ...v }]));
      return { _type: 'snapshot', ...common, meta };
    }
    return { _type: 'targets', ...common, ...targetsFields(this.targetsOf(role)) };
  }

  #rootFields(): JsonObject {
    return {
      consistent_snapshot: this.root.consistentSnapshot,
      keys: Object.fromEntries(this.rootKeys),
      roles: Object.fromEntries([...this.rootRoles].map(([name, role]) => [name, roleJson(role)])),
    };
  }
}

const roleJson = ({ keyIds, threshold, extra }: RoleDraft): JsonObject => ({
  ...extra,
  keyids: [...keyIds],
  threshold,
});

function targetsFields({ files, delegatedKeys, delegations, succinct }: TargetsDraft): JsonObject {
  const targets = Object.fromEntries(files);
  const keys = Object.fromEntries(delegatedKeys);
  if (succinct !== undefined) {
    const { bitLength, namePrefix } = succinct;
    const json = { ...roleJson(succinct), bit_length: bitLength, name_prefix: namePrefix };
    return { targets, delegations: { keys, succinct_roles: json } };
  }
  if (delegations.length === 0) return { targets };
  return { targets, delegations: { keys, roles: delegations.map(delegationJson) } };
}

const delegationJson = (delegation: DelegationDraft): JsonObject => ({
  ...roleJson(delegation),
  name: delegation.name,
  terminating: delegation.terminating,
  ...(delegation.paths === undefined ? {} : { paths: [...delegation.paths] }),
  ...(delegation.pathHashPrefixes === undefined
    ? {}
    : { path_hash_prefixes: [...delegation.pathHashPrefixes] }),
});
