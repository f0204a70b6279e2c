import type { UpdateRefusal } from '../../../shared/contracts/federation.ts';
import type { Result } from '../../../shared/core/result.ts';
import type { AddedUpdate, SumPlan } from '../../ports/aggregator.ts';

/** Requests to the summing thread; it answers each with one reply, in order. */
export type SumRequest =
  | { readonly kind: 'open'; readonly sum: number; readonly plan: SumPlan }
  | {
      readonly kind: 'add';
      readonly sum: number;
      readonly update: Uint8Array;
      readonly votes: number;
    }
  | { readonly kind: 'mean'; readonly sum: number }
  | { readonly kind: 'close'; readonly sum: number };

export type SumReply =
  | { readonly kind: 'done' }
  | { readonly kind: 'added'; readonly result: Result<AddedUpdate, UpdateRefusal> }
  | { readonly kind: 'mean'; readonly mean: Float32Array };
