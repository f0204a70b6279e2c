import type { Digest, FleetId, TargetPath } from '../../../shared/core/ids.ts';

export const bundleStatuses = ['live', 'deprecated', 'revoked'] as const;
export type BundleStatus = (typeof bundleStatuses)[number];

/** The name under which a bundle stands that every fleet may see. */
export const everyFleet = '*';

/** A published bundle: what a manifest names, and who may read it. */
export interface Bundle {
  /** One fleet, or `*`. */
  readonly fleet: FleetId | typeof everyFleet;
  readonly path: TargetPath;
  readonly name: string;
  readonly version: string;
  /** Digest of the manifest: the bundle's identity. */
  readonly digest: Digest;
  readonly status: BundleStatus;
  /** Every blob the manifest names, itself included: what its readers may read. */
  readonly blobs: readonly Digest[];
  readonly publishedAtMs: number;
}

/** A metadata file as it was signed: `12.targets.json`, `timestamp.json`. */
export interface TufFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly storedAtMs: number;
}

/** A blob in the BlobStore, for garbage collection. */
export interface BlobRecord {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly storedAtMs: number;
}
