import type { CohortTotals } from '../../../shared/contracts/cohort-totals.ts';
import type { Fact } from '../../../shared/contracts/explanation.ts';
import type { Gates } from '../../../shared/contracts/rollout.ts';
import { type GateOutcome, levelsOfLook } from './gate-outcome.ts';
import {
  commonest,
  gateAccuracy,
  gateClassShift,
  gateErrorRate,
  gateFailedUpdates,
  gateLatency,
} from './gates.ts';

/** The seam: another statistic is another function of this shape. */
export type VerdictPolicy = (gates: Gates, totals: CohortTotals, look: Look) => Verdict;

export interface Look {
  /** How many times this rollout was looked at, from 1; each look spends part of the false-abort share. */
  readonly number: number;
  /** Whether the wave is complete: every device has an outcome. */
  readonly isWaveSettled: boolean;
}

export interface Verdict {
  readonly verdict: 'promote' | 'hold' | 'abort';
  /** Why: abort reasons first; on `promote` what was compared. Never empty. */
  readonly reasons: readonly VerdictReason[];
  /** Blocking facts: exactly those that stand between this verdict and `promote`. */
  readonly because: readonly Fact[];
}

export type VerdictReason =
  | ({ readonly kind: 'gate' } & GateOutcome)
  | { readonly kind: 'nothing-committed'; readonly code: string; readonly failed: number }
  | {
      readonly kind: 'sample';
      readonly code: 'sample-devices' | 'sample-inferences';
      readonly arm: 'wave' | 'control';
      readonly value: number;
      readonly limit: number;
    };

/**
 * Promote, hold or abort. Failed updates abort by themselves; the gates on inferences speak once the minimum sample
 * of the wave is there (before, their approximations do not hold). Without control only ceilings are compared.
 */
export const decideVerdict: VerdictPolicy = (gates, totals, look) => {
  const input = { gates, totals, levels: levelsOfLook(gates, look.number) };
  const updates = gateFailedUpdates(input);
  const samples = missingSamples(gates, totals);
  const isWaveMeasured = !samples.some((sample) => sample.arm === 'wave');
  const measured = isWaveMeasured
    ? [
        ...gateErrorRate(input),
        ...gateAccuracy(input),
        ...gateLatency(input),
        ...gateClassShift(input),
      ]
    : [];
  const outcomes = [updates, ...measured].map((gate) => ({ kind: 'gate' as const, ...gate }));
  const { failed, committed } = totals.updates;
  const nothing: VerdictReason[] =
    look.isWaveSettled && committed === 0 && failed >= gates.minimumSample.devices
      ? [
          {
            kind: 'nothing-committed',
            code: commonest(totals.failures) ?? 'nothing-committed',
            failed,
          },
        ]
      : [];
  const aborts = [...nothing, ...outcomes.filter((gate) => gate.outcome === 'abort')];
  if (aborts.length > 0) return conclude('abort', aborts);
  const holds = [...samples, ...outcomes.filter((gate) => gate.outcome === 'hold')];
  if (holds.length > 0) return conclude('hold', holds);
  return { verdict: 'promote', reasons: outcomes, because: outcomes.map(factOf) };
};

const conclude = (verdict: 'hold' | 'abort', reasons: readonly VerdictReason[]): Verdict => ({
  verdict,
  reasons,
  because: reasons.map(factOf),
});

type SampleReason = Extract<VerdictReason, { kind: 'sample' }>;

function missingSamples(gates: Gates, totals: CohortTotals): SampleReason[] {
  const { devices, inferences } = gates.minimumSample;
  const arms = [
    { arm: 'wave' as const, totals: totals.wave },
    ...(totals.control === null ? [] : [{ arm: 'control' as const, totals: totals.control }]),
  ];
  return arms.flatMap(({ arm, totals: seen }): SampleReason[] => [
    ...(seen.devices < devices
      ? [sample('sample-devices', arm, { value: seen.devices, limit: devices })]
      : []),
    ...(seen.inferences < inferences
      ? [sample('sample-inferences', arm, { value: seen.inferences, limit: inferences })]
      : []),
  ]);
}

const sample = (
  code: SampleReason['code'],
  arm: SampleReason['arm'],
  numbers: { readonly value: number; readonly limit: number },
): SampleReason => ({ kind: 'sample', code, arm, ...numbers });

/** The machine form of one reason. */
export function factOf(reason: VerdictReason): Fact {
  switch (reason.kind) {
    case 'gate': {
      const blocks = reason.outcome === 'hold' || reason.outcome === 'abort';
      const name = `${reason.gate}-${reason.against}`;
      return { name, value: reason.estimate, limit: reason.limit, blocks };
    }
    case 'nothing-committed':
      return { name: 'nothing-committed', value: reason.failed, limit: 0, blocks: true };
    case 'sample':
      return {
        name: `${reason.arm}-${reason.code}`,
        value: reason.value,
        limit: reason.limit,
        blocks: true,
      };
  }
}
