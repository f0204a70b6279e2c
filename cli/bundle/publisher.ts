import type { Digest } from '../../shared/core/ids.ts';

/** Where a signed bundle goes. Each step may be repeated; what is there already is not sent again. */
export interface Publisher {
  putBlob(name: string, digest: Digest, bytes: Uint8Array): Promise<'sent' | 'known'>;
  /** `director.json` or `revoked.json`. */
  putFixed(name: string, bytes: Uint8Array): Promise<void>;
  /** Throws an OperatingError with the repository's own code when it refuses. */
  putMetadata(name: string, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}
