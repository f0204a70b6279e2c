import { type ArmTotals, emptyArm } from '../../../shared/contracts/cohort-totals.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { WindowModel } from '../../../shared/contracts/window.ts';
import type { WindowTotals } from '../model/telemetry.ts';

export const emptyTotals: WindowTotals = { ...emptyArm, windows: 0, confidenceMicros: 0 };

/** Code under which the error codes above the bound are counted. */
export const otherCodes = 'other-codes';

type Sums = { -readonly [Field in keyof WindowTotals]: WindowTotals[Field] };

/**
 * Totals under construction, for the hot path: a batch of hundreds of windows makes no garbage per window.
 * Adding is associative and commutative, so windows may arrive in any order and in any batches. Counts stop at
 * 2^53 - 1 instead of losing digits: one absurd device cannot make the sum wrong silently.
 */
export class TotalsSum {
  readonly #sums: Sums = { ...emptyTotals };
  readonly #latency: number[] = [];
  readonly #predicted: number[] = [];
  readonly #errors = new Map<string, number>();

  /** What one model did in one window; who it was is counted apart. */
  addModel(model: WindowModel): void {
    this.#sums.windows = sum(this.#sums.windows, 1);
    this.#sums.confidenceMicros = sum(this.#sums.confidenceMicros, model.confidenceMicros);
    this.#addCounts(model);
  }

  addTotals(totals: WindowTotals): void {
    this.#sums.windows = sum(this.#sums.windows, totals.windows);
    this.#sums.confidenceMicros = sum(this.#sums.confidenceMicros, totals.confidenceMicros);
    this.addArm(totals);
  }

  addArm(arm: ArmTotals): void {
    this.#sums.devices = sum(this.#sums.devices, arm.devices);
    this.#addCounts(arm);
  }

  totals(): WindowTotals {
    const [latency, predicted] = [[...this.#latency], [...this.#predicted]];
    return { ...this.#sums, errors: boundedErrors(this.#errors), latency, predicted };
  }

  #addCounts(counts: Omit<ArmTotals, 'devices'>): void {
    const sums = this.#sums;
    sums.inferences = sum(sums.inferences, counts.inferences);
    sums.labelled = sum(sums.labelled, counts.labelled);
    sums.correct = sum(sums.correct, counts.correct);
    addBins(this.#latency, counts.latency, limits.latencyBinsMax);
    addBins(this.#predicted, counts.predicted, limits.predictedClassesMax);
    for (const { code, count } of counts.errors) {
      this.#errors.set(code, sum(this.#errors.get(code) ?? 0, count));
    }
  }
}

/** Sums two totals. */
export function mergeTotals(a: WindowTotals, b: WindowTotals): WindowTotals {
  const merged = new TotalsSum();
  merged.addTotals(a);
  merged.addTotals(b);
  return merged.totals();
}

/** Sums what a verdict is made of. */
export function mergeArms(a: ArmTotals, b: ArmTotals): ArmTotals {
  const merged = new TotalsSum();
  merged.addArm(a);
  merged.addArm(b);
  const { windows: _windows, confidenceMicros: _confidence, ...arm } = merged.totals();
  return arm;
}

const sum = (a: number, b: number): number => Math.min(a + b, Number.MAX_SAFE_INTEGER);

function addBins(sums: number[], counts: readonly number[], binsMax: number): void {
  const length = Math.min(counts.length, binsMax);
  for (let bin = 0; bin < length; bin += 1) sums[bin] = sum(sums[bin] ?? 0, counts[bin] ?? 0);
}

/**
 * Keeps the first codes in code order and folds the rest. A code among the first of all can never have been folded
 * before, because it was among the first of any part too: so the fold does not depend on the order of merging.
 */
function boundedErrors(counts: ReadonlyMap<string, number>): ArmTotals['errors'] {
  let folded = counts.get(otherCodes) ?? 0;
  const codes = [...counts.keys()].filter((code) => code !== otherCodes).sort();
  for (const code of codes.slice(limits.cohortErrorCodesMax)) {
    folded = sum(folded, counts.get(code) ?? 0);
  }
  const kept = codes
    .slice(0, limits.cohortErrorCodesMax)
    .map((code) => ({ code, count: counts.get(code) ?? 0 }));
  return folded === 0 ? kept : [...kept, { code: otherCodes, count: folded }];
}
