import type { AppName, Digest } from '../../../shared/core/ids.ts';

/** Where the device keeps what it fetched; relative to the root of its DeviceDisk. */
export interface SlotName {
  readonly app: AppName;
  /** Digest of the manifest. */
  readonly digest: Digest;
}

export const blobFolder = 'blobs/sha256';
export const downloadFolder = 'downloads';
export const slotsFolder = 'slots';
/** Written last: a slot without it is not whole. */
export const slotIndexName = 'slot.json';

const prefix = 'sha256:';
const hexOfDigest = (digest: Digest): string => digest.slice(prefix.length);

/** The digest a blob's or slot's file name stands for; undefined for anything else that lies there. */
export const digestOfName = (name: string): Digest | undefined =>
  /^[0-9a-f]{64}$/.test(name) ? ((prefix + name) as Digest) : undefined;

export const blobPath = (digest: Digest): string => `${blobFolder}/${hexOfDigest(digest)}`;
export const partName = (digest: Digest): string => `${hexOfDigest(digest)}.part`;
export const partPath = (digest: Digest): string => `${downloadFolder}/${partName(digest)}`;
export const slotFolder = ({ app, digest }: SlotName): string =>
  `${slotsFolder}/${app}/${hexOfDigest(digest)}`;
export const slotIndexPath = (slot: SlotName): string => `${slotFolder(slot)}/${slotIndexName}`;
