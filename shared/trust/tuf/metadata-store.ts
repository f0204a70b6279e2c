import { limits } from '../../contracts/limits.ts';
import { equalBytes } from '../../core/bytes.ts';
import { codeOf } from '../../core/operating-error.ts';
import type { Result } from '../../core/result.ts';
import type { DeviceDisk } from '../../ports/device-disk.ts';
import type { TufFailure } from './failure.ts';
import { tufFailure } from './failure.ts';
import { type Root, type SignedFile, topLevelRoles } from './metadata.ts';
import { localMetadataName } from './metadata-name.ts';
import { verifyFirstRoot } from './verify-metadata.ts';

/** What the store needs of a disk. */
export type MetadataDisk = Pick<DeviceDisk, 'read' | 'replace' | 'list' | 'remove'>;

export interface StoreOptions {
  readonly disk: MetadataDisk;
  /** Folder of the trusted metadata, relative to the disk's root; empty for the root itself. */
  readonly folder: string;
  /** Root metadata from the device image or the enrolment; the last resort, and a floor for the version. */
  readonly pinnedRoot?: Uint8Array;
}

/** Older roots kept beside `root.json`, in case that one is damaged. */
const historyFolder = 'root_history';

/**
 * Trusted metadata on disk: bytes as served, one atomic replacement per file (5.3.8, 5.4.5, 5.5.7, 5.6.6). Damage is
 * found by the signatures, so a torn file reads as absent.
 */
export class MetadataStore {
  readonly #options: StoreOptions;
  /** Roots found intact, by where they lie: the same bytes are not verified twice. */
  readonly #intact = new Map<string, SignedFile<Root>>();

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** Unverified bytes of a role's trusted copy. */
  async read(role: string): Promise<Uint8Array | undefined> {
    const path = this.#path(localMetadataName(role));
    return this.#readBounded(path, limits.tufTargetsBytesMax);
  }

  async write(role: string, bytes: Uint8Array): Promise<void> {
    const name = localMetadataName(role);
    if (!topLevelNames.has(name)) await this.#makeRoomFor(name);
    await this.#options.disk.replace(this.#path(name), bytes);
  }

  /** History first: whenever `root.json` may be read torn, the same root lies intact beside it. */
  async writeRoot({ bytes, body }: SignedFile<Root>): Promise<void> {
    const { disk } = this.#options;
    await disk.replace(this.#path(historyName(body.version)), bytes);
    await disk.replace(this.#path('root.json'), bytes);
    const outdated = body.version - limits.tufRootHistoryMax;
    if (outdated > 0) await disk.remove(this.#path(historyName(outdated)));
  }

  /**
   * Delegated roles are a cache: whoever holds one delegated key could otherwise name roles until
   * the disk is full. Their
   * versions are guarded by snapshot, so dropping a copy opens no way back.
   */
  async #makeRoomFor(name: string): Promise<void> {
    const { disk, folder } = this.#options;
    // Without a folder of its own this is the operator's machine, where the folder is his to empty.
    if (folder === '') return;
    const names = await disk.list(folder);
    const others = names.filter(
      (other) => other.endsWith('.json') && other !== name && !topLevelNames.has(other),
    );
    for (const outdated of others.slice(limits.tufDelegationsMax - 1)) {
      await disk.remove(this.#path(outdated));
    }
  }

  /** 5.2: the newest intact root of all copies. Fails with `tuf-no-root`. */
  async readRoot(): Promise<Result<SignedFile<Root>, TufFailure>> {
    const { pinnedRoot } = this.#options;
    const pinned = pinnedRoot === undefined ? undefined : this.#verified('pinned', pinnedRoot);
    const stored = (await this.#intactRootAt('root.json')) ?? (await this.#newestInHistory());
    const newest =
      stored === undefined || (pinned?.body.version ?? 0) > stored.body.version ? pinned : stored;
    return newest === undefined
      ? { ok: false, error: tufFailure('tuf-no-root', 'root', 'no intact root, local or pinned') }
      : { ok: true, value: newest };
  }

  async #newestInHistory(): Promise<SignedFile<Root> | undefined> {
    const names = await this.#options.disk.list(this.#path(historyFolder));
    const versions = names
      .map((name) => Number(/^(\d{1,15})\.root\.json$/.exec(name)?.[1] ?? 0))
      .filter((version) => version > 0)
      .sort((a, b) => b - a);
    for (const version of versions) {
      const root = await this.#intactRootAt(historyName(version));
      if (root !== undefined) return root;
    }
    return undefined;
  }

  async #intactRootAt(name: string): Promise<SignedFile<Root> | undefined> {
    const bytes = await this.#readBounded(this.#path(name), limits.tufRootBytesMax);
    return bytes === undefined ? undefined : this.#verified('stored', bytes);
  }

  #verified(place: 'pinned' | 'stored', bytes: Uint8Array): SignedFile<Root> | undefined {
    const known = this.#intact.get(place);
    if (known !== undefined && equalBytes(known.bytes, bytes)) return known;
    const verified = verifyFirstRoot(bytes);
    if (!verified.ok) return undefined;
    this.#intact.set(place, verified.value);
    return verified.value;
  }

  /** A file above its limit is not one that we wrote: damage, like any other. */
  async #readBounded(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
    try {
      return await this.#options.disk.read(path, { bytesMax });
    } catch (error) {
      if (codeOf(error) === 'file-too-large') return undefined;
      throw error;
    }
  }

  #path(name: string): string {
    const { folder } = this.#options;
    return folder === '' ? name : `${folder}/${name}`;
  }
}

const topLevelNames: ReadonlySet<string> = new Set(topLevelRoles.map(localMetadataName));

const historyName = (version: number): string => `${historyFolder}/${version}.root.json`;
