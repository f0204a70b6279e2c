import type { UpdateRefusal, UpdateShape } from '../../shared/contracts/federation.ts';
import type { Result } from '../../shared/core/result.ts';

/** What one round sums. */
export interface SumPlan extends UpdateShape {
  readonly clipNorm: number;
}

export interface AddedUpdate {
  /** L2 of the update. */
  readonly norm: number;
}

/**
 * Adds up the updates of a round off the control thread. The sum does not depend on the order of
 * `add`, bit for bit, and its
 * memory not on the number of devices. It lives as long as the process: what was counted lies in
 * Store and BlobStore, so
 * a new sum is filled again from there.
 */
export interface Aggregator {
  /** Throws `aggregator-lost` when the adapter cannot start. */
  open(plan: SumPlan): Promise<RunningSum>;
}

export interface RunningSum {
  /** Counts one update with 1..256 votes, or refuses it and leaves the sum as it was. Bytes are transferred. */
  add(update: Uint8Array, votes: number): Promise<Result<AddedUpdate, UpdateRefusal>>;
  /** Weighted mean of what was added, in the order of the plan's elements; zeros when nothing was. */
  mean(): Promise<Float32Array>;
  close(): Promise<void>;
}
