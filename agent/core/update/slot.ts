import type { AppName, Digest, RolloutId, TargetPath } from '../../../shared/core/ids.ts';

/** A bundle that this device holds, complete and verified. */
export interface Slot {
  readonly path: TargetPath;
  /** Digest of the OCI manifest: the name of the bundle. */
  readonly digest: Digest;
  /** `retry` of the desired entry it was last tried under. */
  readonly retry: number;
}

/** What the director wants of one app, with the generation that said so. */
export interface Target extends Slot {
  readonly app: AppName;
  readonly rollout: RolloutId | undefined;
  readonly directorVersion: number;
  readonly generation: number;
}

/** How long a bundle must prove itself on live inputs; from its signed configuration. */
export interface ProbationTerms {
  readonly inferences: number;
  readonly durationMs: number;
}

/** A digest this device has judged; it is not tried again until a person sends a higher `retry`. */
export interface Refusal extends Slot {
  readonly app: AppName;
  /** Catalogue code. */
  readonly reason: string;
}
