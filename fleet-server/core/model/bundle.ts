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
  /** When its status was last changed. */
  readonly statusSinceMs: number;
  /** When the server let go of its blobs; null while it keeps them. Manifest and configuration stay, unserved. */
  readonly contentReleasedAtMs: number | null;
  /** Oldest agent that installs it; null where it was published before this was kept. */
  readonly minAgent: string | null;
}

/** A metadata file as it was signed: `12.targets.json`, `timestamp.json`. */
export interface TufFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly storedAtMs: number;
}

/**
 * What a blob was brought for: `round` is what a federated round works on, and no publisher reads that. `transient` is
 * announced and not proven to be here, or a device's update, which its round removes. The first of the alphabet wins.
 */
export type BlobPurpose = 'bundle' | 'round' | 'transient';

/** A blob in the BlobStore, for garbage collection and for who may read it before a bundle names it. */
export interface BlobRecord {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly storedAtMs: number;
  readonly purpose: BlobPurpose;
}
