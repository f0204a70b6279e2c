import type { TopLevelRole } from './metadata.ts';

/** Delegated roles fail under the codes of `targets`. */
export type TufCode =
  | 'tuf-no-root'
  | 'tuf-malformed-metadata'
  | 'tuf-missing-metadata'
  | `tuf-threshold-${TopLevelRole}`
  | `tuf-expired-${TopLevelRole}`
  | 'tuf-rollback-timestamp'
  | 'tuf-rollback-snapshot'
  | 'tuf-rollback-targets'
  | 'tuf-version-mismatch'
  | 'tuf-hash-mismatch'
  | 'tuf-too-many-roots'
  | 'tuf-too-many-delegations'
  | 'tuf-target-not-found'
  | 'tuf-unexpected-role'
  | 'tuf-target-mismatch';

export interface TufFailure {
  readonly code: TufCode;
  /** The role, or the target path, that failed. */
  readonly subject: string;
  readonly message: string;
}

export const tufFailure = (code: TufCode, subject: string, message: string): TufFailure => ({
  code,
  subject,
  message,
});
