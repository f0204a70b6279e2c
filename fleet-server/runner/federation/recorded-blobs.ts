import type { BlobStore } from '../../ports/blob-store.ts';
import type { ImageRepository } from '../image-repository.ts';

/** A BlobStore in which a candidate's blobs are recorded before they are there, so that a refused one is collected. */
export function recordedBlobs(
  blobs: BlobStore,
  repository: Pick<ImageRepository, 'putBlob'>,
): Pick<BlobStore, 'read' | 'put'> {
  return {
    read: (digest, range) => blobs.read(digest, range),
    put: (digest, body, { bytesMax }) =>
      repository.putBlob(digest, body, { purpose: 'round', bytesMax }),
  };
}
