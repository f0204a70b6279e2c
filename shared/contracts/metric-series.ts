import { invariant } from '../core/invariant.ts';
import { limits } from './limits.ts';
import { type MetricEntry, type MetricName, metricNames } from './metric-names.ts';

export type MetricLabels = Readonly<Record<string, string>>;

/**
 * What both metric adapters check before they count: the metric has this type, exactly its labels are given, the value
 * is a number; and no metric grows more than `limits.metricSeriesMax` series, the rest becomes `other`.
 */
export class MetricSeries {
  readonly #known = new Map<MetricName, Set<string>>();

  /** The labels to count under. */
  admit(
    name: MetricName,
    call: {
      readonly type: MetricEntry['type'];
      readonly value: number;
      readonly labels: MetricLabels;
    },
  ): MetricLabels {
    const entry: MetricEntry = metricNames[name];
    invariant(entry.type === call.type, `${name} is a ${entry.type}`);
    invariant(Number.isFinite(call.value), `${name} needs a number`);
    invariant(call.type !== 'counter' || call.value >= 0, `${name} only goes up`);
    const expected = entry.labels ?? [];
    const given = Object.keys(call.labels);
    const isExact = given.length === expected.length && expected.every((l) => given.includes(l));
    invariant(isExact, `${name} takes the labels [${expected.join(', ')}]`);
    const known = this.#known.get(name) ?? new Set<string>();
    this.#known.set(name, known);
    const series = seriesKey(call.labels);
    if (!known.has(series) && known.size >= limits.metricSeriesMax) {
      return Object.fromEntries(expected.map((label) => [label, 'other']));
    }
    known.add(series);
    return call.labels;
  }
}

/** One text per label combination, whatever the order in which they were written. */
export const seriesKey = (labels: MetricLabels): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
