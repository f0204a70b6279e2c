import { createDecoder } from '../../shared/codec/validator.ts';
import {
  DirectorKeysSchema,
  type Revoked,
  RevokedSchema,
  type TargetCustom,
  TargetCustomSchema,
} from '../../shared/contracts/bundle-config.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Json } from '../../shared/core/canonical-json.ts';
import type { Digest, TargetPath } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import type { Fetcher } from '../../shared/ports/fetcher.ts';
import { anyKeyOf, type RoleKeys } from '../../shared/trust/dsse.ts';
import { entriesOf, isJsonObject } from '../../shared/trust/strict-json.ts';
import type { TargetFile, Targets } from '../../shared/trust/tuf/metadata.ts';
import { collect, createMetadataSource } from '../../shared/trust/tuf/metadata-source.ts';
import { MetadataStore } from '../../shared/trust/tuf/metadata-store.ts';
import { isTarget } from '../../shared/trust/tuf/receive-target.ts';
import type { TrustedRepository } from '../../shared/trust/tuf/trusted-repository.ts';
import { TufClient } from '../../shared/trust/tuf/tuf-client.ts';

export interface CatalogueOptions {
  readonly disk: DeviceDisk;
  readonly fetcher: Fetcher;
  /** Root metadata from the device image or the enrolment. */
  readonly pinnedRoot: Uint8Array;
  /** Everything was verified under trusted time, which is given in milliseconds. */
  readonly fresh?: (trustedNowMs: number) => Promise<void>;
}

/** What offline keys say about one bundle. */
export interface SignedTarget {
  readonly path: TargetPath;
  /** Digest of the manifest. */
  readonly digest: Digest;
  readonly bytes: number;
  readonly custom: TargetCustom;
  /** Least live release counter of its name, by the offline keys; no delegated role can lower it. */
  readonly rollbackFloor: number;
}

export interface DirectorKeys {
  readonly version: number;
  readonly keys: RoleKeys<'director'>;
  readonly auditKeys: RoleKeys<'audit'>;
}

export interface CatalogueFailure {
  readonly code: string;
  readonly message: string;
}

interface Fixed {
  director?: DirectorKeys | undefined;
  revoked?: Revoked['revoked'] | undefined;
}

const folder = 'trust';
const decodeRevoked = createDecoder(RevokedSchema, limits.fixedTargetBytesMax);
const decodeDirector = createDecoder(DirectorKeysSchema, limits.fixedTargetBytesMax);
const readCustom = createDecoder(TargetCustomSchema, limits.fixedTargetBytesMax);

/**
 * Which programs exist, by offline signatures: the TUF repository with its fixed targets `director.json` and
 * `revoked.json`. What was verified once is kept on disk, so that revocation holds after an offline reboot.
 */
export class TrustedCatalogue {
  readonly #options: CatalogueOptions;
  readonly #client: TufClient;
  #repository: TrustedRepository | undefined;
  /** What the fixed targets said when they were last verified; this process alone writes them, at a refresh. */
  #fixed: Fixed = {};

  constructor(options: CatalogueOptions) {
    this.#options = options;
    const { disk, fetcher, pinnedRoot } = options;
    const timeoutMs = limits.metadataTimeoutMs;
    this.#client = new TufClient({
      source: createMetadataSource({ fetcher, basePath: '/tuf/', timeoutMs }),
      store: new MetadataStore({ disk, folder, pinnedRoot }),
    });
  }

  /** Fetches what is new. Without trusted time only a lower bound is known, and no install may start from the view. */
  async refresh(time: {
    readonly kind: 'trusted' | 'at-least';
    readonly nowMs: number;
  }): Promise<Result<void, CatalogueFailure>> {
    // Also of a refresh that fails half-way: what is on disk may then be newer than what was read.
    this.#fixed = {};
    const repository = await this.#client.refresh(time);
    if (!repository.ok) return repository;
    this.#repository = repository.value;
    const { targets } = repository.value;
    const director = await this.#keepFixed(targets, 'director.json');
    if (!director.ok) return director;
    const revoked = await this.#keepFixed(targets, 'revoked.json');
    if (!revoked.ok) return revoked;
    this.#fixed = { ...readDirector(director.value), ...readRevoked(revoked.value) };
    if (time.kind === 'trusted') await this.#options.fresh?.(time.nowMs);
    return ok(undefined);
  }

  /** When the metadata verified in this boot runs out, by role; empty before the first refresh. */
  get expiries(): ReadonlyMap<string, number> {
    return this.#repository?.expiresAtMs ?? new Map();
  }

  /** Expiry of the newest metadata verified in this boot: how far the trusted-time floor may go. */
  get newestExpiryMs(): number | undefined {
    const expiries = [...this.expiries.values()];
    return expiries.length === 0 ? undefined : Math.max(...expiries);
  }

  /** A target of the refreshed view, signed by the one role that may sign this path. */
  async lookup(path: TargetPath): Promise<Result<SignedTarget, CatalogueFailure>> {
    if (this.#repository === undefined)
      return fail('tuf-missing-metadata', 'nothing was refreshed');
    const found = await this.#repository.lookup(path, { expectedRole: roleOfPath(path) });
    if (!found.ok) return found;
    const { target } = found.value;
    const hash = target.hashes.get('sha256');
    if (hash === undefined) return fail('tuf-target-mismatch', `${path} has no sha256`);
    const custom = readCustom(new TextEncoder().encode(JSON.stringify(target.custom ?? {})));
    if (!custom.ok) return fail(custom.error.code, `${path}: custom${custom.error.pointer}`);
    const digest = `sha256:${hash}` as Digest;
    const rollbackFloor = floorOf(this.#repository.targets.rollbackFloor, custom.value.name);
    if (rollbackFloor === undefined) return fail('release-invalid', `floor of ${path}`);
    return ok({ path, digest, bytes: target.length, custom: custom.value, rollbackFloor });
  }

  /** Director keys as last verified, from disk: no network and no time needed. */
  async directorKeys(): Promise<DirectorKeys | undefined> {
    const memo = this.#fixed;
    // Into the memory it began with: a refresh that ended meanwhile has begun another.
    memo.director ??= readDirector(await this.#readFixed('director.json')).director;
    return memo.director;
  }

  /** What must not run, as last verified, from disk. */
  async revocations(): Promise<Revoked['revoked']> {
    const memo = this.#fixed;
    memo.revoked ??= readRevoked(await this.#readFixed('revoked.json')).revoked;
    return memo.revoked ?? [];
  }

  /** The bytes that targets vouches for, now on disk. */
  async #keepFixed(targets: Targets, name: string): Promise<Result<Uint8Array, CatalogueFailure>> {
    const target = targets.targets.get(name);
    if (target === undefined) return fail('tuf-target-not-found', `${name} is not signed`);
    const known = await this.#options.disk.read(fixedPath(name), {
      bytesMax: limits.fixedTargetBytesMax,
    });
    if (known !== undefined && isTarget(target, known)) return ok(known);
    const bytes = await this.#fetchFixed(target, name);
    if (bytes === undefined) return fail('tuf-target-mismatch', `${name} is not what was signed`);
    await this.#options.disk.replace(fixedPath(name), bytes);
    return ok(bytes);
  }

  async #fetchFixed(target: TargetFile, name: string): Promise<Uint8Array | undefined> {
    const bytesMax = Math.min(target.length, limits.fixedTargetBytesMax);
    const response = await this.#options.fetcher.fetch({
      method: 'GET',
      path: `/tuf/targets/${target.hashes.get('sha256') ?? ''}.${name}`,
      bytesMax,
      timeoutMs: limits.metadataTimeoutMs,
    });
    if (response.status !== 200) {
      response.cancel();
      return undefined;
    }
    const bytes = await collect(response.body, bytesMax);
    return isTarget(target, bytes) ? bytes : undefined;
  }

  /** Only bytes that the newest local targets metadata vouches for: a file on disk alone proves nothing. */
  async #readFixed(name: string): Promise<Uint8Array | undefined> {
    const local = await this.#client.readLocal();
    const target = local.ok ? local.value.targets.targets.get(name) : undefined;
    const bytes = await this.#options.disk.read(fixedPath(name), {
      bytesMax: limits.fixedTargetBytesMax,
    });
    return target !== undefined && bytes !== undefined && isTarget(target, bytes)
      ? bytes
      : undefined;
  }
}

function readDirector(bytes: Uint8Array | undefined): Pick<Fixed, 'director'> {
  const decoded = bytes === undefined ? undefined : decodeDirector(bytes);
  if (decoded?.ok !== true) return {};
  const { version } = decoded.value;
  const keys = anyKeyOf('director', decoded.value.keys);
  return { director: { version, keys, auditKeys: anyKeyOf('audit', decoded.value.auditKeys) } };
}

function readRevoked(bytes: Uint8Array | undefined): Pick<Fixed, 'revoked'> {
  const decoded = bytes === undefined ? undefined : decodeRevoked(bytes);
  return decoded?.ok === true ? { revoked: decoded.value.revoked } : {};
}

/** `undefined` when what was signed is no counter: then nothing of that name is installed. */
function floorOf(signed: Json | undefined, name: string): number | undefined {
  if (signed === undefined) return 0;
  if (!isJsonObject(signed)) return undefined;
  const floor = new Map(entriesOf(signed)).get(name) ?? 0;
  const isCounter = typeof floor === 'number' && Number.isSafeInteger(floor) && floor >= 0;
  return isCounter ? floor : undefined;
}

const fixedPath = (name: string): string => `${folder}/targets/${name}`;

/** Offline keys sign `bundles/`; a fleet's delegated role signs what its federated rounds made, and nothing else. */
const roleOfPath = (path: TargetPath): string => {
  const [first, fleet = ''] = path.split('/');
  return first === 'federated' ? `federated-${fleet}` : 'targets';
};

const fail = (code: string, message: string): Result<never, CatalogueFailure> =>
  err({ code, message });
