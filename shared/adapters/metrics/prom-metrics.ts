import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import {
  type MetricEntry,
  type MetricName,
  type MetricOwner,
  metricNames,
} from '../../contracts/metric-names.ts';
import { type MetricLabels, MetricSeries } from '../../contracts/metric-series.ts';
import { invariant } from '../../core/invariant.ts';
import type { Metrics } from '../../ports/metrics.ts';

/** Metrics over prom-client, every name of one daemon registered from the start, so that a zero is seen as zero. */
export class PromMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #series = new MetricSeries();
  readonly #metrics = new Map<MetricName, Counter | Gauge | Histogram>();

  /** `owner`: whose names; all of them when absent. */
  constructor(owner?: MetricOwner) {
    for (const [name, entry] of Object.entries(metricNames) as [MetricName, MetricEntry][]) {
      if (owner !== undefined && (entry.of ?? owner) !== owner) continue;
      this.#metrics.set(name, this.#register(name, entry));
    }
  }

  count(name: MetricName, by = 1, labels: MetricLabels = {}): void {
    const admitted = this.#series.admit(name, { type: 'counter', value: by, labels });
    const metric = this.#metrics.get(name);
    invariant(metric instanceof Counter, `${name} is registered as a counter`);
    metric.inc({ ...admitted }, by);
  }

  gauge(name: MetricName, value: number, labels: MetricLabels = {}): void {
    const admitted = this.#series.admit(name, { type: 'gauge', value, labels });
    const metric = this.#metrics.get(name);
    invariant(metric instanceof Gauge, `${name} is registered as a gauge`);
    metric.set({ ...admitted }, value);
  }

  observe(name: MetricName, value: number, labels: MetricLabels = {}): void {
    const admitted = this.#series.admit(name, { type: 'histogram', value, labels });
    const metric = this.#metrics.get(name);
    invariant(metric instanceof Histogram, `${name} is registered as a histogram`);
    metric.observe({ ...admitted }, value);
  }

  /** Prometheus text exposition format 0.0.4, with the content type to send it under. */
  async exposition(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #register(name: MetricName, entry: MetricEntry): Counter | Gauge | Histogram {
    const options = {
      name,
      help: entry.help,
      labelNames: [...(entry.labels ?? [])],
      registers: [this.#registry],
    };
    switch (entry.type) {
      case 'counter':
        return new Counter(options);
      case 'gauge':
        return new Gauge(options);
      case 'histogram':
        invariant(entry.buckets !== undefined, `${name} has no buckets`);
        return new Histogram({ ...options, buckets: [...entry.buckets] });
    }
  }
}
