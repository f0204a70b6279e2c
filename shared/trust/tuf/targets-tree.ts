import { limits } from '../../contracts/limits.ts';
import { err, type Result } from '../../core/result.ts';
import { type TufFailure, tufFailure } from './failure.ts';
import type { MetaFile, Root, Snapshot, Targets } from './metadata.ts';
import { remoteMetadataName } from './metadata-name.ts';
import type { MetadataSource } from './metadata-source.ts';
import type { MetadataStore } from './metadata-store.ts';
import type { UpdateTime } from './update-time.ts';
import { type Delegator, verifyTargets } from './verify-metadata.ts';

export interface TargetsTreeOptions {
  readonly root: Root;
  readonly snapshot: Snapshot;
  readonly time: UpdateTime;
  readonly store: MetadataStore;
  readonly source: MetadataSource;
}

/** Loads targets roles under one snapshot, from disk where the snapshot still lists what lies there. */
export class TargetsTree {
  readonly #options: TargetsTreeOptions;
  /** Bytes only: trust depends on who delegates, so a role is verified again on each way to it. */
  readonly #seen = new Map<string, Uint8Array>();

  constructor(options: TargetsTreeOptions) {
    this.#options = options;
  }

  /** 5.6 for `targets`, and for one delegated role on behalf of one delegator. */
  async load(name: string, delegator: Delegator): Promise<Result<Targets, TufFailure>> {
    const { root, snapshot, time, store, source } = this.#options;
    const listed = snapshot.meta.get(`${name}.json`);
    if (listed === undefined) return missing(name, 'is not listed in snapshot');
    const local = this.#seen.get(name) ?? (await store.read(name));
    if (local !== undefined) {
      const cached = verifyTargets(local, delegator, { name, listed, time });
      if (cached.ok) return this.#keep(name, cached.value);
    }
    const version = root.consistentSnapshot ? listed.version : undefined;
    const bytes = await source.fetch(remoteMetadataName(name, version), {
      bytesMax: bytesMaxOf(listed),
    });
    if (bytes === undefined) return missing(name, 'is listed but not served');
    const fetched = verifyTargets(bytes, delegator, { name, listed, time });
    if (!fetched.ok) return fetched;
    await store.write(name, bytes);
    return this.#keep(name, fetched.value);
  }

  #keep(
    name: string,
    file: { readonly bytes: Uint8Array; readonly body: Targets },
  ): Result<Targets, TufFailure> {
    this.#seen.set(name, file.bytes);
    return { ok: true, value: file.body };
  }
}

const bytesMaxOf = ({ length }: MetaFile): number =>
  Math.min(length ?? Infinity, limits.tufTargetsBytesMax);

const missing = (name: string, what: string): Result<never, TufFailure> =>
  err(tufFailure('tuf-missing-metadata', name, `${name} ${what}`));
