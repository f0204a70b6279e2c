import { describe, expect, test } from 'vitest';
import { limits } from '../../shared/contracts/limits.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';

export interface MetricsUnderTest {
  readonly metrics: Metrics;
  /** A counter or gauge by its name, a histogram by `<name>_sum` and `<name>_count`; zero when never touched. */
  readonly read: (name: string, labels?: Readonly<Record<string, string>>) => Promise<number>;
}

export function metricsSuite(name: string, open: () => MetricsUnderTest): void {
  describe(`Metrics: ${name}`, () => {
    test('when a counter is counted, by one or more, the sum is read; untouched it is zero', async () => {
      const { metrics, read } = open();
      expect(await read('skein_windows_total')).toBe(0);
      metrics.count('skein_windows_total');
      metrics.count('skein_windows_total', 4);
      expect(await read('skein_windows_total')).toBe(5);
    });

    test('when labels differ, the series are apart', async () => {
      const { metrics, read } = open();
      metrics.count('skein_window_refusals_total', 2, { code: 'too-large' });
      metrics.count('skein_window_refusals_total', 3, { code: 'schema-mismatch' });
      expect(await read('skein_window_refusals_total', { code: 'too-large' })).toBe(2);
      expect(await read('skein_window_refusals_total', { code: 'schema-mismatch' })).toBe(3);
    });

    test('when a gauge is set, the last value is read, also when it went down', async () => {
      const { metrics, read } = open();
      metrics.gauge('skein_broker_connections', 7);
      metrics.gauge('skein_broker_connections', 2);
      expect(await read('skein_broker_connections')).toBe(2);
    });

    test('when a histogram observes, number and sum are read', async () => {
      const { metrics, read } = open();
      const of = { app: 'doubler' };
      metrics.observe('skein_inference_seconds', 0.25, of);
      metrics.observe('skein_inference_seconds', 0.5, of);
      expect(await read('skein_inference_seconds_count', of)).toBe(2);
      expect(await read('skein_inference_seconds_sum', of)).toBe(0.75);
    });

    test('when type, labels or value are wrong, that is a bug', () => {
      const { metrics } = open();
      const bug = expect.objectContaining({ code: 'invariant-violated' }) as Error;
      const wrong: readonly (() => void)[] = [
        () => metrics.gauge('skein_windows_total', 1),
        () => metrics.count('skein_broker_connections'),
        () => metrics.observe('skein_windows_total', 1),
        () => metrics.count('skein_windows_total', -1),
        () => metrics.count('skein_windows_total', Number.NaN),
        () => metrics.count('skein_windows_total', 1, { device: 'dev-1' }),
        () => metrics.count('skein_window_refusals_total', 1),
        () => metrics.count('skein_window_refusals_total', 1, { reason: 'x' }),
      ];
      for (const call of wrong) expect(call).toThrow(bug);
    });

    test('when one metric gets too many series, the rest is counted as other', async () => {
      const { metrics, read } = open();
      for (let i = 0; i < limits.metricSeriesMax + 5; i += 1) {
        metrics.count('skein_window_refusals_total', 1, { code: `code-${i}` });
      }
      metrics.count('skein_window_refusals_total', 1, { code: 'code-0' });
      expect(await read('skein_window_refusals_total', { code: 'other' })).toBe(5);
      expect(await read('skein_window_refusals_total', { code: 'code-0' })).toBe(2);
    });
  });
}
