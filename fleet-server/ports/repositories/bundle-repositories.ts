import type { Digest, FleetId, TargetPath } from '../../../shared/core/ids.ts';
import type { BlobRecord, Bundle, BundleStatus, TufFile } from '../../core/model/bundle.ts';
import type { Page } from './page.ts';

/** What concerns a path in every fleet at once: its blobs are held once for all of them. */
export interface BundleContentReader {
  /** All rows of a path, by fleet. */
  listRows(path: TargetPath): Promise<readonly Bundle[]>;
  /** Paths whose content is kept though no fleet has had them live since an instant, ascending. */
  listRetired(sinceMs: number, page: Page<TargetPath>): Promise<readonly TargetPath[]>;
  /** Which of these paths have no content any more, ascending. */
  listReleased(paths: readonly TargetPath[]): Promise<readonly TargetPath[]>;
}

export interface BundleReader extends BundleContentReader {
  /** A bundle the fleet may read: its own, or every fleet's. */
  get(fleet: FleetId, path: TargetPath): Promise<Bundle | null>;
  /** By the manifest's digest. */
  find(fleet: FleetId, digest: Digest): Promise<Bundle | null>;
  /** By path. */
  list(
    fleet: FleetId,
    query: { readonly name?: string; readonly page: Page<TargetPath> },
  ): Promise<readonly Bundle[]>;
  /** Oldest agent by digest, of the bundles the fleet may read for which it is known. */
  listMinAgents(fleet: FleetId, digests: readonly Digest[]): Promise<ReadonlyMap<Digest, string>>;
  /** Whether a bundle the fleet may read, and whose content is kept, names the blob: what its readers may fetch. */
  namesBlob(fleet: FleetId, blob: Digest): Promise<boolean>;
}

export interface BundleRepository extends BundleReader {
  /** Throws `store-conflict` when the path is taken: published is published. */
  insert(bundle: Bundle): Promise<void>;
  setStatus(
    fleet: Bundle['fleet'],
    path: TargetPath,
    change: { readonly status: BundleStatus; readonly nowMs: number },
  ): Promise<boolean>;
  /** In every fleet: its content was let go at an instant, or is kept again (null). */
  setContentReleased(path: TargetPath, atMs: number | null): Promise<void>;
}

/** TUF metadata is the server's, not a fleet's: targets name their fleets. */
export interface TufFileReader {
  get(name: string): Promise<TufFile | null>;
  /** Names, ascending. */
  listNames(): Promise<readonly string[]>;
}

export interface TufFileRepository extends TufFileReader {
  put(file: TufFile): Promise<void>;
}

export interface BlobReader {
  get(digest: Digest): Promise<BlobRecord | null>;
  isHeld(digest: Digest): Promise<boolean>;
  /** Blobs stored before an instant that nothing holds, by digest: the garbage. */
  listUnheld(storedBeforeMs: number, page: Page<Digest>): Promise<readonly BlobRecord[]>;
}

export interface BlobRepository extends BlobReader {
  /**
   * Says that a blob is in the BlobStore, or comes there; saying it later makes it young again, and a size that was not
   * known (0) is. Brought once for a bundle, it stays a bundle's: whoever brought it has its bytes.
   */
  put(record: BlobRecord): Promise<void>;
  remove(digest: Digest): Promise<boolean>;
  /** `holder` keeps these blobs, and no others: a bundle's path, a round's id, an upload. */
  hold(holder: string, digests: readonly Digest[]): Promise<void>;
  /** `holder` keeps this blob too. */
  holdMore(holder: string, digest: Digest): Promise<void>;
  release(holder: string): Promise<void>;
}
