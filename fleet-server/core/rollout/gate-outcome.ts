import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import type { Gates, PromoteRule } from '../../../shared/contracts/rollout.ts';
import { normalUpperQuantile } from '../../../shared/stats/normal.ts';

export type GateName = 'failed-updates' | 'error-rate' | 'latency' | 'accuracy' | 'class-shift';

/** What one gate says: `abort` harm beyond the margin is proven; `hold` it looks so; `no-evidence` not measured. */
export interface GateOutcome {
  readonly gate: GateName;
  readonly outcome: 'pass' | 'hold' | 'abort' | 'no-evidence';
  /** Reason code for people and records; a device's own code where one explains the failures. */
  readonly code: ErrorCode | (string & {});
  /** Which comparison decided. */
  readonly against: 'control' | 'ceiling';
  /** The measured harm, its interval (at the level of this look), and its margin, in the unit named. */
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  readonly limit: number;
  readonly unit: 'share' | 'ratio' | 'milliseconds' | 'distance';
}

/** Normal quantiles of one look. */
export interface LookLevels {
  /** One-sided error of an abort at this look. */
  readonly alpha: number;
  readonly abortZ: number;
  /** For the bound that the promote rule reads. */
  readonly promoteZ: number;
}

/**
 * Spreads `falseAbortShare` over all looks there can ever be: look n gets share / (n (n + 1)), which sums to the
 * share (union bound), so looking again and again stays honest.
 */
export function levelsOfLook(gates: Gates, look: number): LookLevels {
  const alpha = gates.falseAbortShare / (look * (look + 1));
  return {
    alpha,
    abortZ: normalUpperQuantile(alpha),
    promoteZ: normalUpperQuantile(promoteTail[gates.promote]),
  };
}

const promoteTail: Readonly<Record<PromoteRule, number>> = {
  'unless-harm': 0.1,
  'within-margin': 0.5,
  'non-inferior': 0.05,
};

/** The bound of the harm that must lie within the margin for the gate to pass. */
export function promoteBound(
  rule: PromoteRule,
  harm: { readonly estimate: number; readonly low: number; readonly high: number },
): number {
  switch (rule) {
    case 'unless-harm':
      return harm.low;
    case 'within-margin':
      return harm.estimate;
    case 'non-inferior':
      return harm.high;
  }
}

/** Two intervals of the same harm, one per level, against its margin. */
export function outcomeOf(
  rule: PromoteRule,
  harm: { readonly atAbort: Harm; readonly atPromote: Harm; readonly limit: number },
): 'pass' | 'hold' | 'abort' {
  if (harm.atAbort.low > harm.limit) return 'abort';
  return promoteBound(rule, harm.atPromote) <= harm.limit ? 'pass' : 'hold';
}

export interface Harm {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}
