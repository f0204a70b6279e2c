import { limits } from '../../../shared/contracts/limits.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { histogramQuantile } from '../../../shared/stats/histogram.ts';
import { latencyBinOf, latencyBins, latencyEdgesMs } from '../../../shared/stats/latency-bins.ts';

/** What the guard judges: sums over the newest outcomes of one slot. */
export interface RecentFacts {
  readonly outcomes: number;
  readonly failures: number;
  readonly answers: number;
  /** Undefined without answers. */
  readonly latencyP95Ms: number | undefined;
  readonly confidenceMean: number | undefined;
}

/**
 * The newest outcomes of one slot in a ring, with running sums: adding one allocates nothing, and one bad minute of a
 * year is not diluted by the year. Counted, not timed: a quiet device judges by as many answers as a busy one.
 */
export class RecentOutcomes {
  /** Per outcome: latency bin, or `failed`. */
  readonly #bins: Uint8Array;
  readonly #confidences: Float64Array;
  readonly #latency = new Array<number>(latencyBins).fill(0);
  #next = 0;
  #outcomes = 0;
  #failures = 0;
  #confidenceMicros = 0;

  constructor(size: number = limits.guardRecentMax) {
    invariant(size > 0 && size <= limits.guardRecentMax, 'the guard looks back on a bounded count');
    this.#bins = new Uint8Array(size);
    this.#confidences = new Float64Array(size);
  }

  /** `runMs` is the model's own time, `confidence` the top class's probability; what is not a number counts as none. */
  addAnswer(runMs: number, confidence: number): void {
    const micros = confidence > 0 ? Math.round(Math.min(1, confidence) * 1e6) : 0;
    this.#add(latencyBinOf(runMs), micros);
  }

  addFailure(): void {
    this.#add(failed, 0);
  }

  /** Another slot is judged from now on. */
  clear(): void {
    this.#latency.fill(0);
    this.#next = 0;
    this.#outcomes = 0;
    this.#failures = 0;
    this.#confidenceMicros = 0;
  }

  facts(): RecentFacts {
    const answers = this.#outcomes - this.#failures;
    return {
      outcomes: this.#outcomes,
      failures: this.#failures,
      answers,
      latencyP95Ms: histogramQuantile(this.#latency, latencyEdgesMs, 0.95),
      confidenceMean: answers === 0 ? undefined : this.#confidenceMicros / 1e6 / answers,
    };
  }

  #add(bin: number, confidenceMicros: number): void {
    const at = this.#next;
    if (this.#outcomes === this.#bins.length) this.#forget(at);
    this.#bins[at] = bin;
    this.#confidences[at] = confidenceMicros;
    this.#confidenceMicros += confidenceMicros;
    this.#outcomes += 1;
    if (bin === failed) this.#failures += 1;
    else this.#latency[bin] = (this.#latency[bin] ?? 0) + 1;
    this.#next = (at + 1) % this.#bins.length;
  }

  #forget(at: number): void {
    const bin = this.#bins[at] ?? failed;
    this.#confidenceMicros -= this.#confidences[at] ?? 0;
    this.#outcomes -= 1;
    if (bin === failed) this.#failures -= 1;
    else this.#latency[bin] = (this.#latency[bin] ?? 0) - 1;
  }
}

/** No latency bin has this number. */
const failed = 255;
