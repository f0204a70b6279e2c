import type { MetricName } from '../contracts/metric-names.ts';

/** Counters and gauges by a name from one list; never a label per device. */
export interface Metrics {
  count(name: MetricName, by?: number, labels?: Readonly<Record<string, string>>): void;
  gauge(name: MetricName, value: number, labels?: Readonly<Record<string, string>>): void;
  observe(name: MetricName, value: number, labels?: Readonly<Record<string, string>>): void;
}
