import type { MetricName } from '../../shared/contracts/metric-names.ts';
import {
  type MetricLabels,
  MetricSeries,
  seriesKey,
} from '../../shared/contracts/metric-series.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';

/** Metrics that invariants and tests can read: the last gauge, the sum of counts, the number and sum observed. */
export class CountingMetrics implements Metrics {
  readonly #series = new MetricSeries();
  readonly #values = new Map<string, number>();

  count(name: MetricName, by = 1, labels: MetricLabels = {}): void {
    this.#add(name, this.#series.admit(name, { type: 'counter', value: by, labels }), by);
  }

  gauge(name: MetricName, value: number, labels: MetricLabels = {}): void {
    const admitted = this.#series.admit(name, { type: 'gauge', value, labels });
    this.#values.set(name + seriesKey(admitted), value);
  }

  observe(name: MetricName, value: number, labels: MetricLabels = {}): void {
    const admitted = this.#series.admit(name, { type: 'histogram', value, labels });
    this.#add(`${name}_sum`, admitted, value);
    this.#add(`${name}_count`, admitted, 1);
  }

  /** A counter or gauge by its name, a histogram by `<name>_sum` and `<name>_count`; zero when never touched. */
  value(name: string, labels: MetricLabels = {}): number {
    return this.#values.get(name + seriesKey(labels)) ?? 0;
  }

  #add(name: string, labels: MetricLabels, by: number): void {
    const key = name + seriesKey(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }
}
