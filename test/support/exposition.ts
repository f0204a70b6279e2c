import { expect } from 'vitest';

export interface Exposition {
  readonly types: ReadonlyMap<string, string>;
  /** By `name{label="value",...}` with the labels in name order. */
  readonly samples: ReadonlyMap<string, number>;
  readonly labels: ReadonlySet<string>;
}

const number = '[+-]?(?:[0-9]+(?:\\.[0-9]+)?(?:e[+-]?[0-9]+)?|Inf)|NaN';
const sampleLine = new RegExp(
  `^([a-z_][a-z0-9_]*)(?:\\{((?:[a-z_]+="(?:[^"\\\\\\n]|\\\\[\\\\"n])*",?)*)\\})? (${number})$`,
);

/** Reads the text format 0.0.4 and demands its rules: one type per metric and before its samples, buckets that add up. */
export function readExposition(text: string): Exposition {
  expect(text.endsWith('\n')).toBe(true);
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  const labels = new Set<string>();
  const lines = text.split('\n').filter((line) => line !== '');
  for (const line of lines) {
    const [, typed, type] = /^# TYPE ([a-z_0-9]+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (typed !== undefined && type !== undefined) {
      expect(types.has(typed), typed).toBe(false);
      types.set(typed, type);
      continue;
    }
    if (/^# HELP [a-z_0-9]+ .+$/.test(line)) continue;
    const [, name = '', inside = '', value = ''] = sampleLine.exec(line) ?? [];
    expect(name, `a sample: ${line}`).not.toBe('');
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    expect(types.has(family), `a type before ${line}`).toBe(true);
    const pairs = [...inside.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, l = '', v = '']) => [l, v]);
    for (const [label = ''] of pairs) labels.add(label);
    const key = seriesOf(name, Object.fromEntries(pairs) as Record<string, string>);
    expect(samples.has(key), `${key} stands once`).toBe(false);
    samples.set(key, Number(value.replace('Inf', 'Infinity')));
  }
  checkHistograms({ types, samples, labels });
  return { types, samples, labels };
}

export function seriesOf(name: string, labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${name}{${pairs.map(([label, value]) => `${label}="${value}"`).join(',')}}`;
}

function checkHistograms({ types, samples }: Exposition): void {
  const histograms = [...types].filter(([, type]) => type === 'histogram').map(([name]) => name);
  for (const name of histograms) {
    const counts = [...samples.keys()].filter((key) => key.startsWith(`${name}_count{`));
    for (const count of counts) {
      const own = count.slice(`${name}_count{`.length, -1);
      const buckets = [...samples].filter(
        ([key]) => key.startsWith(`${name}_bucket{`) && (own === '' || key.includes(own)),
      );
      const values = buckets.map(([, value]) => value);
      expect(values, 'buckets are cumulative').toEqual([...values].sort((a, b) => a - b));
      expect(values.at(-1), '+Inf holds all').toBe(samples.get(count));
    }
  }
}
