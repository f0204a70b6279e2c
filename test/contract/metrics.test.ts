import { expect, test } from 'vitest';
import { PromMetrics } from '../../shared/adapters/metrics/prom-metrics.ts';
import { type MetricEntry, metricNames } from '../../shared/contracts/metric-names.ts';
import { CountingMetrics } from '../../sim/world/counting-metrics.ts';
import { type SourceFile, sources } from '../architecture/source-tree.ts';
import { metricsSuite } from './metrics.suite.ts';

/** The value of one sample line, such as `name{code="x"} 3`. */
async function sample(
  metrics: PromMetrics,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const { text } = await metrics.exposition();
  const inside = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const start = `${name}${inside.length === 0 ? '' : `{${inside.join(',')}}`} `;
  const line = text.split('\n').find((candidate) => candidate.startsWith(start));
  return Number(line?.slice(start.length) ?? 0);
}

metricsSuite('prom-client', () => {
  const metrics = new PromMetrics();
  return { metrics, read: (name, labels) => sample(metrics, name, labels) };
});

metricsSuite('counting', () => {
  const metrics = new CountingMetrics();
  return { metrics, read: async (name, labels) => metrics.value(name, labels) };
});

test('when nothing was counted, the exposition lists every metric with type and help', async () => {
  const { text, contentType } = await new PromMetrics().exposition();
  expect(contentType).toContain('text/plain');
  for (const [name, { type, help }] of Object.entries(metricNames)) {
    expect(text).toContain(`# HELP ${name} ${help}`);
    expect(text).toContain(`# TYPE ${name} ${type}`);
  }
});

/** A daemon that counts under a name it has not registered fails at that line, and only where metrics are on. */
const foreignNames = (files: readonly SourceFile[]): readonly string[] =>
  files.flatMap(({ path, text }) => {
    const owner = /^agent\//.test(path) ? 'agent' : 'server';
    const names = [...text.matchAll(/(?:count|gauge|observe)\(\s*'([a-z_]+)'/g)];
    return names.flatMap(([, name = '']) => {
      const entry = (metricNames as Readonly<Record<string, MetricEntry>>)[name];
      return (entry?.of ?? owner) === owner ? [] : [`${path}: ${name}`];
    });
  });

test('when the daemons are searched, each counts only under names that it has', () => {
  const planted = { path: 'agent/a.ts', text: "metrics.count('skein_windows_total');" };
  expect(foreignNames([planted])).toHaveLength(1);
  expect(
    foreignNames(sources().filter(({ path }) => /^(agent|fleet-server)\//.test(path))),
  ).toEqual([]);
});
