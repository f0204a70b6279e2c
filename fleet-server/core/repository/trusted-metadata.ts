import type {
  Root,
  SignedFile,
  Snapshot,
  Targets,
  Timestamp,
} from '../../../shared/trust/tuf/metadata.ts';

/** What the repository serves now. Only the root exists before the first targets file is published. */
export interface TrustedMetadata {
  readonly root: SignedFile<Root>;
  readonly targets: SignedFile<Targets> | undefined;
  readonly snapshot: SignedFile<Snapshot> | undefined;
  readonly timestamp: SignedFile<Timestamp> | undefined;
}
