import { decodeUpdate } from '../../../shared/codec/federated-update.ts';
import { err, ok } from '../../../shared/core/result.ts';
import {
  foldValues,
  meanOf,
  multiplierOf,
  scaleFor,
  squaredNormOf,
} from '../../core/federation/fixed-point.ts';
import type { Aggregator, RunningSum, SumPlan } from '../../ports/aggregator.ts';
import { refusalOf } from './kernel-sum.ts';

/** The twin in the calling thread, in plain arithmetic: the simulator's, and what the kernel is compared with. */
export const inThreadAggregator: Aggregator = { open: async (plan) => openSum(plan) };

function openSum(plan: SumPlan): RunningSum {
  const scale = scaleFor(plan.clipNorm);
  const sums = new Float64Array(plan.elements.reduce((sum, count) => sum + count, 0));
  let cast = 0;
  return {
    add: async (update, votes) => {
      const values = decodeUpdate(update, plan);
      if (!values.ok) return values;
      const norm = Math.sqrt(squaredNormOf(values.value));
      const refusal = refusalOf(norm, plan.clipNorm);
      if (refusal !== undefined) return err(refusal);
      foldValues(sums, values.value, multiplierOf(scale, votes));
      cast += votes;
      return ok({ norm });
    },
    mean: async () =>
      cast === 0 ? new Float32Array(sums.length) : meanOf(sums, { scale, votes: cast }),
    close: async () => undefined,
  };
}
