import type { MonitoredValue } from '../../../shared/contracts/bundle-config.ts';
import type { AppName, Digest } from '../../../shared/core/ids.ts';

/** What the monitor must know of a model to count its answers; from the signed bundle. */
export interface WatchedModel {
  readonly app: AppName;
  readonly digest: Digest;
  readonly phase: 'probation' | 'committed';
  /** Number of labels; 0 for a model that does not classify. */
  readonly classes: number;
  /** The bundle's profile: fixed edges and reference counts. */
  readonly monitored: readonly MonitoredValue[];
}

/** Handle of a watched model, valid until the model is unwatched; a number, so that counting allocates nothing. */
export type WatchId = number;

/** One answer. The object and its `values` may be used again for the next one: nothing keeps them. */
export interface CountedAnswer {
  /** Class index; anything outside the labels is counted as unseen. */
  readonly predicted: number;
  /** Probability of the top class, 0..1. */
  readonly confidence: number;
  /** The model's own time: a caller that waits behind others says nothing about the model. */
  readonly runMs: number;
  /** Monitored values in the order of the profile. */
  readonly values: ArrayLike<number>;
  /** Whether the answer was right, where a label is known at once. */
  readonly isCorrect: boolean | undefined;
}
