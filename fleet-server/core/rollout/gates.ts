import type {
  ArmTotals,
  CodeCount,
  CohortTotals,
} from '../../../shared/contracts/cohort-totals.ts';
import type { Gates } from '../../../shared/contracts/rollout.ts';
import {
  chiSquaredHomogeneity,
  histogramQuantileInterval,
  histogramTotal,
  totalVariation,
} from '../../../shared/stats/histogram.ts';
import { latencyEdgesMs } from '../../../shared/stats/latency-bins.ts';
import {
  binomialUpperTail,
  deflate,
  effectiveSample,
  newcombeInterval,
  type Proportion,
  wilsonInterval,
} from '../../../shared/stats/proportion.ts';
import { type GateOutcome, type Harm, type LookLevels, outcomeOf } from './gate-outcome.ts';

/** One gate: what it needs to know, and nothing about the others. */
export interface GateInput {
  readonly gates: Gates;
  readonly totals: CohortTotals;
  readonly levels: LookLevels;
}

/**
 * Share of failed updates among those with an outcome, against its ceiling. The control updates nothing, so there
 * is nothing to compare with. Exact binomial test: in a wave of two, no approximation holds.
 */
export function gateFailedUpdates({ gates, totals, levels }: GateInput): GateOutcome {
  const { failed, committed } = totals.updates;
  const share = { successes: failed, trials: failed + committed };
  const limit = gates.failedUpdates.shareMax;
  const isProven = failed > 0 && binomialUpperTail(share, limit) <= levels.alpha;
  const interval = wilsonInterval(share, levels.promoteZ);
  const rest = outcomeOf(gates.promote, { atAbort: noHarm, atPromote: interval, limit });
  return {
    gate: 'failed-updates',
    code: commonest(totals.failures) ?? 'failed-updates',
    against: 'ceiling',
    ...interval,
    limit,
    unit: 'share',
    outcome: share.trials === 0 ? 'no-evidence' : isProven ? 'abort' : rest,
  };
}

export function gateErrorRate(input: GateInput): readonly GateOutcome[] {
  const gate = input.gates.errorRate;
  if (gate === null) return [];
  const share = (arm: ArmTotals): Proportion => ({
    successes: arm.errors.reduce((sum, { count }) => sum + count, 0),
    trials: arm.inferences,
  });
  const named = { gate: 'error-rate', code: 'error-rate', unit: 'share' } as const;
  return compareShares(input, { named, share, margin: gate.increaseMax, ceiling: gate.ceiling });
}

/** Judged as the share of wrong answers, so that more is worse as everywhere. */
export function gateAccuracy(input: GateInput): readonly GateOutcome[] {
  const gate = input.gates.accuracy;
  if (gate === null) return [];
  const named = { gate: 'accuracy', code: 'accuracy', unit: 'share' } as const;
  const { wave, control } = input.totals;
  const isMeasured =
    wave.labelled >= gate.labelledMin && (control === null || control.labelled >= gate.labelledMin);
  if (!isMeasured) return [unmeasured({ ...named, limit: gate.dropMax })];
  const share = (arm: ArmTotals): Proportion => ({
    successes: arm.labelled - arm.correct,
    trials: arm.labelled,
  });
  const ceiling = gate.floor === null ? null : 1 - gate.floor;
  return compareShares(input, { named, share, margin: gate.dropMax, ceiling });
}

/** 95th percentile of the latency: ratio to the control's, and its own ceiling. */
export function gateLatency({ gates, totals, levels }: GateInput): readonly GateOutcome[] {
  const gate = gates.latencyP95;
  if (gate === null) return [];
  const named = { gate: 'latency', code: 'latency' } as const;
  const at = (arm: ArmTotals, z: number): Harm | undefined => {
    const observed = histogramTotal(arm.latency);
    const sample = effectiveSample(observed, arm.devices, gates.intraclass);
    return histogramQuantileInterval(arm.latency, latencyEdgesMs, { q: 0.95, z, sample });
  };
  const [waveAbort, wavePromote] = [levels.abortZ, levels.promoteZ].map((z) => at(totals.wave, z));
  if (waveAbort === undefined || wavePromote === undefined) {
    return [unmeasured({ ...named, limit: gate.ratioMax, unit: 'ratio' })];
  }
  const outcomes: GateOutcome[] = [];
  const control = totals.control;
  if (control !== null) {
    const [slow, quick] = [at(control, levels.abortZ), at(control, levels.promoteZ)];
    if (slow === undefined || quick === undefined) {
      return [unmeasured({ ...named, limit: gate.ratioMax, unit: 'ratio' })];
    }
    const atAbort = ratioOf(waveAbort, slow);
    const limit = gate.ratioMax;
    const atPromote = ratioOf(wavePromote, quick);
    const outcome = outcomeOf(gates.promote, { atAbort, atPromote, limit });
    outcomes.push({ ...named, against: 'control', ...atAbort, limit, unit: 'ratio', outcome });
  }
  if (gate.ceilingMs !== null) {
    const limit = gate.ceilingMs;
    const harm = { atAbort: waveAbort, atPromote: wavePromote, limit };
    const outcome = outcomeOf(gates.promote, harm);
    outcomes.push({
      ...named,
      against: 'ceiling',
      ...waveAbort,
      limit,
      unit: 'milliseconds',
      outcome,
    });
  }
  return outcomes;
}

/**
 * Predicted classes against the control's: aborts when they differ by more than the limit and by more than chance
 * (chi-squared of homogeneity on the effective samples). There is no ceiling: without control it says nothing.
 */
export function gateClassShift({ gates, totals, levels }: GateInput): readonly GateOutcome[] {
  const gate = gates.classShift;
  if (gate === null || totals.control === null) return [];
  const { wave, control } = totals;
  const named = { gate: 'class-shift', code: 'class-shift', against: 'control' } as const;
  const limit = gate.distanceMax;
  if (histogramTotal(wave.predicted) === 0 || histogramTotal(control.predicted) === 0) {
    return [unmeasured({ ...named, limit, unit: 'distance' })];
  }
  const sampleOf = (arm: ArmTotals): number =>
    effectiveSample(histogramTotal(arm.predicted), arm.devices, gates.intraclass);
  const samples = { a: sampleOf(wave), b: sampleOf(control) };
  const estimate = totalVariation(wave.predicted, control.predicted);
  const { p } = chiSquaredHomogeneity(wave.predicted, control.predicted, samples);
  const isLarge = estimate > limit;
  // Where chance explains the distance it is no harm; non-inferiority wants the distance itself small.
  const isSuspect = isLarge && (gates.promote === 'unless-harm' ? p <= 0.1 : true);
  const outcome = isLarge && p <= levels.alpha ? 'abort' : isSuspect ? 'hold' : 'pass';
  const low = p <= levels.alpha ? estimate : 0;
  return [{ ...named, estimate, low, high: estimate, limit, unit: 'distance', outcome }];
}

interface ShareGate {
  readonly named: Pick<GateOutcome, 'gate' | 'code' | 'unit'>;
  readonly share: (arm: ArmTotals) => Proportion;
  readonly margin: number;
  readonly ceiling: number | null;
}

/** A share of bad inferences: its increase over the control (Newcombe), and its own ceiling (Wilson). */
function compareShares({ gates, totals, levels }: GateInput, gate: ShareGate): GateOutcome[] {
  const effective = (arm: ArmTotals): Proportion => {
    const share = gate.share(arm);
    return deflate(share, effectiveSample(share.trials, arm.devices, gates.intraclass));
  };
  const wave = effective(totals.wave);
  const outcomes: GateOutcome[] = [];
  if (totals.control !== null) {
    const control = effective(totals.control);
    const atAbort = newcombeInterval(wave, control, levels.abortZ);
    const atPromote = newcombeInterval(wave, control, levels.promoteZ);
    const outcome = outcomeOf(gates.promote, { atAbort, atPromote, limit: gate.margin });
    outcomes.push({ ...gate.named, against: 'control', ...atAbort, limit: gate.margin, outcome });
  }
  if (gate.ceiling !== null) {
    const atAbort = wilsonInterval(wave, levels.abortZ);
    const atPromote = wilsonInterval(wave, levels.promoteZ);
    const outcome = outcomeOf(gates.promote, { atAbort, atPromote, limit: gate.ceiling });
    outcomes.push({ ...gate.named, against: 'ceiling', ...atAbort, limit: gate.ceiling, outcome });
  }
  return outcomes;
}

const noHarm: Harm = { estimate: 0, low: 0, high: 0 };

/** Conservative: both arms at their interval's far ends. */
const ratioOf = (wave: Harm, control: Harm): Harm => ({
  estimate: wave.estimate / control.estimate,
  low: Number.isFinite(control.high) ? wave.low / control.high : 0,
  high: wave.high / control.low,
});

const unmeasured = (
  named: Pick<GateOutcome, 'gate' | 'code' | 'limit'> & Partial<Pick<GateOutcome, 'unit'>>,
): GateOutcome => ({
  against: 'control',
  estimate: 0,
  low: 0,
  high: 0,
  unit: 'share',
  ...named,
  outcome: 'no-evidence',
});

/** The commonest reason, ties to the first in the alphabet. */
export function commonest(counts: readonly CodeCount[]): string | undefined {
  const sorted = [...counts].sort((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1));
  return sorted[0]?.code;
}
