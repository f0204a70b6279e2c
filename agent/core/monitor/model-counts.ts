import { limits } from '../../../shared/contracts/limits.ts';
import type { WindowModel } from '../../../shared/contracts/window.ts';
import { binOf } from '../../../shared/stats/bins.ts';
import { type DriftLimits, judgeDrift } from '../../../shared/stats/drift.ts';
import { latencyBinOf, latencyBins } from '../../../shared/stats/latency-bins.ts';
import type { CountedAnswer, WatchedModel } from './watched-model.ts';

/** Every count of one model in typed arrays: an answer is counted without allocating. */
interface Tally {
  readonly predicted: Float64Array;
  readonly latency: Float64Array;
  readonly monitored: readonly Float64Array[];
}

/**
 * What one model did since its histograms last left. Counts of health (inferences, errors) leave with every window.
 * What describes inputs and answers (histograms, confidence, labels) leaves only once it holds `minCount` answers.
 */
export class ModelCounts {
  readonly model: WatchedModel;
  readonly #edges: readonly Float64Array[];
  readonly #tally: Tally;
  readonly #errors = new Map<string, number>();
  #inferences = 0;
  #answered = 0;
  #labelled = 0;
  #correct = 0;
  #confidenceMicros = 0;

  constructor(model: WatchedModel) {
    this.model = model;
    this.#edges = model.monitored.map((value) => Float64Array.from(value.edges));
    this.#tally = {
      predicted: new Float64Array(model.classes === 0 ? 0 : model.classes + 1),
      latency: new Float64Array(latencyBins),
      monitored: this.#edges.map((edges) => new Float64Array(edges.length + 1)),
    };
  }

  /** Answers that wait here, below `minCount` or since the last close. */
  get answered(): number {
    return this.#answered;
  }

  get isEmpty(): boolean {
    return this.#inferences === 0 && this.#answered === 0 && this.#errors.size === 0;
  }

  countAnswer(answer: CountedAnswer): void {
    this.#inferences += 1;
    this.#answered += 1;
    this.#confidenceMicros += microsOf(answer.confidence);
    const { predicted, latency, monitored } = this.#tally;
    if (predicted.length > 0) {
      const unseen = predicted.length - 1;
      const index = answer.predicted >= 0 && answer.predicted < unseen ? answer.predicted : unseen;
      predicted[index] = (predicted[index] ?? 0) + 1;
    }
    const bin = latencyBinOf(answer.runMs);
    latency[bin] = (latency[bin] ?? 0) + 1;
    for (let i = 0; i < monitored.length; i += 1) {
      const counts = monitored[i];
      const edges = this.#edges[i];
      if (counts === undefined || edges === undefined) continue;
      const at = binOf(edges, answer.values[i] ?? Number.NaN);
      counts[at] = (counts[at] ?? 0) + 1;
    }
    if (answer.isCorrect !== undefined) this.countLabel(answer.isCorrect);
  }

  countLabel(isCorrect: boolean): void {
    this.#labelled += 1;
    if (isCorrect) this.#correct += 1;
  }

  /** An inference that gave no answer. Codes beyond the bound are counted together. */
  countFailure(code: string): void {
    this.#inferences += 1;
    const isKnown = this.#errors.has(code) || this.#errors.size < limits.windowErrorCodesMax - 1;
    const name = isKnown ? code : 'unexpected';
    this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1);
  }

  /** What may leave now, and forgets it; undefined when nothing was counted. */
  drain(minCount: number): WindowModel | undefined {
    if (this.isEmpty) return undefined;
    const leaves = this.#answered >= Math.max(1, minCount);
    if (this.#inferences === 0 && !leaves) return undefined;
    const { app, digest, phase } = this.model;
    const drained: WindowModel = {
      app,
      digest,
      phase,
      inferences: this.#inferences,
      errors: [...this.#errors]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([code, count]) => ({ code, count })),
      latency: leaves ? Array.from(this.#tally.latency) : [],
      predicted: leaves ? Array.from(this.#tally.predicted) : [],
      labelled: leaves ? this.#labelled : 0,
      correct: leaves ? this.#correct : 0,
      confidenceMicros: leaves ? this.#confidenceMicros : 0,
      monitored: leaves ? this.#monitoredCounts() : [],
    };
    this.#inferences = 0;
    this.#errors.clear();
    if (leaves) this.#forgetAnswers();
    return drained;
  }

  #monitoredCounts(): WindowModel['monitored'] {
    return this.model.monitored.map((value, i) => {
      const counts = Array.from(this.#tally.monitored[i] ?? []);
      const found = judgeDrift(value.counts, counts, reportedDrift);
      const distances =
        found.verdict === 'drifted' ? { psi: rounded(found.psi), ks: rounded(found.ks) } : {};
      return { name: value.name, counts, ...distances };
    });
  }

  #forgetAnswers(): void {
    this.#answered = 0;
    this.#labelled = 0;
    this.#correct = 0;
    this.#confidenceMicros = 0;
    this.#tally.predicted.fill(0);
    this.#tally.latency.fill(0);
    for (const counts of this.#tally.monitored) counts.fill(0);
  }
}

/**
 * A device names its distances only where chance does not explain them; from the counts anyone can compute them
 * again, and most windows stay below 100 bytes per value.
 */
const reportedDrift: DriftLimits = {
  countMin: limits.windowMinCount,
  psiMax: 0,
  ksMax: 0,
  pMax: 0.01,
};

/** Millionths, so that sums are integers and merge exactly; what is not a share counts as none. */
const microsOf = (confidence: number): number =>
  confidence > 0 ? Math.round(Math.min(1, confidence) * 1e6) : 0;

/** Six decimals are beyond what any sample here can tell, and a third of the bytes. */
const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;
