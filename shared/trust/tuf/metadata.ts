import type { Json } from '../../core/canonical-json.ts';
import type { JsonObject } from '../strict-json.ts';

/** TUF metadata as Skein reads it (specification 1.0.34, section 4). Collections keyed from outside are maps. */
export type TopLevelRole = 'root' | 'timestamp' | 'snapshot' | 'targets';

/** Top-level roles have files of their own; no delegation may take one of these names. */
export const topLevelRoles: readonly TopLevelRole[] = ['root', 'timestamp', 'snapshot', 'targets'];

export interface KeyRing {
  /** Public keys by TUF key id. */
  readonly keys: ReadonlyMap<string, TufKey>;
}

export interface TufKey {
  readonly keytype: string;
  readonly scheme: string;
  /** Hexadecimal or PEM, as the key type has it. */
  readonly publicKey: string;
  /** The key object as it stood in the file, with fields unknown to us. */
  readonly json: JsonObject;
}

/** Who may sign: `threshold` different keys out of `keyIds`. */
export interface RoleKeys {
  readonly keyIds: readonly string[];
  readonly threshold: number;
}

interface Common {
  readonly version: number;
  readonly expiresAtMs: number;
}

export interface Root extends Common, KeyRing {
  readonly kind: 'root';
  readonly roles: ReadonlyMap<string, RoleKeys>;
  readonly consistentSnapshot: boolean;
}

/** What a parent says about a metadata file. */
export interface MetaFile {
  readonly version: number;
  readonly length?: number;
  readonly hashes?: Hashes;
}

/** Lower-case hexadecimal by algorithm; at least one of them is `sha256` or `sha512`. */
export type Hashes = ReadonlyMap<string, string>;

export interface Timestamp extends Common {
  readonly kind: 'timestamp';
  readonly snapshot: MetaFile;
}

export interface Snapshot extends Common {
  readonly kind: 'snapshot';
  /** By file name: `targets.json`, `<role>.json`. */
  readonly meta: ReadonlyMap<string, MetaFile>;
}

export interface Targets extends Common {
  readonly kind: 'targets';
  /** By target path. */
  readonly targets: ReadonlyMap<string, TargetFile>;
  readonly delegations: Delegations | undefined;
  /** Skein's own: least live release counter by bundle name. It counts in the top-level file; validate before use. */
  readonly rollbackFloor: Json | undefined;
}

export interface TargetFile {
  readonly path: string;
  /** Bytes. */
  readonly length: number;
  readonly hashes: Hashes;
  /** Skein's own facts about the target; validate before use. */
  readonly custom: Json | undefined;
}

export interface Delegations extends KeyRing {
  /** In order of appearance, which is the order of trust. */
  readonly roles: readonly DelegatedRole[];
  readonly succinct: SuccinctRoles | undefined;
}

export interface DelegatedRole extends RoleKeys {
  readonly name: string;
  readonly terminating: boolean;
  /** Glob patterns (`*` and `?` inside one path segment), or prefixes of the path's SHA-256. */
  readonly match: { readonly by: 'paths' | 'hash-prefixes'; readonly patterns: readonly string[] };
}

/** TAP 15: equal hash bins under one key set. */
export interface SuccinctRoles extends RoleKeys {
  /** 1 to 32. */
  readonly bitLength: number;
  readonly namePrefix: string;
}

export interface TufBodies {
  readonly root: Root;
  readonly timestamp: Timestamp;
  readonly snapshot: Snapshot;
  readonly targets: Targets;
}

/** A parsed file, not yet trusted: the bytes as served, what they say, and who claims to have signed. */
export interface SignedFile<Body> {
  readonly bytes: Uint8Array;
  readonly body: Body;
  /** The `signed` object as parsed; signatures cover its OLPC canonical form. */
  readonly signed: JsonObject;
  /** Hexadecimal signature by key id. */
  readonly signatures: ReadonlyMap<string, string>;
}
