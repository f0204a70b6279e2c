/**
 * P10: drift accounting per monitored value. Counts answers of a model with 20 monitored values of 20 bins through the
 * monitor's own reducer; prints nanoseconds per value and bytes per feature per window. Limits: 100 ns, 100 B.
 * Run after a build: `node dist/bench/p10-drift-accounting.js`.
 */
import { performance } from 'node:perf_hooks';
import { openMonitor, stepMonitor, watchModel } from '../agent/core/monitor/step-monitor.ts';
import type { AppName, Digest } from '../shared/core/ids.ts';
import { createPrng } from '../shared/core/prng.ts';

const features = 20;
const bins = 20;
const answers = 500_000;
const rounds = 5;

const context = { nowMs: 0, monotonicMs: 0, windowMs: 900_000 };
const state = openMonitor(context);
const watch = watchModel(state, {
  app: 'bench' as AppName,
  digest: `sha256:${'0'.repeat(64)}` as Digest,
  phase: 'committed',
  classes: 10,
  monitored: Array.from({ length: features }, (_, i) => ({
    name: `value-${i}`,
    source: { kind: 'class-probability' as const, index: 0 },
    edges: Array.from({ length: bins - 1 }, (_edge, k) => (k + 1) / bins),
    counts: new Array<number>(bins).fill(500),
  })),
});

// Drawn ahead and reused, so that the numbers are the monitor's and not the generator's.
const prng = createPrng('p10');
const pool = Array.from({ length: 1024 }, () => ({
  kind: 'inference-answered' as const,
  watch,
  answer: {
    predicted: prng.nextBelow(10),
    confidence: prng.nextUnit(),
    runMs: prng.nextUnit() * 20,
    values: Float64Array.from({ length: features }, () => prng.nextUnit()),
    isCorrect: undefined,
  },
}));

const nanoseconds: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  const begin = performance.now();
  for (let i = 0; i < answers; i += 1) {
    const event = pool[i & 1023];
    if (event !== undefined) stepMonitor(state, event, context);
  }
  nanoseconds.push(((performance.now() - begin) * 1e6) / (answers * features));
}
nanoseconds.sort((a, b) => a - b);
const median = nanoseconds[rounds >> 1] ?? Number.NaN;

const window = openMonitor(context);
const other = watchModel(window, state.window.countsOf(watch).model);
for (let i = 0; i < 900; i += 1) {
  const event = pool[i];
  if (event !== undefined) stepMonitor(window, { ...event, watch: other }, context);
}
const [closed] = stepMonitor(window, { kind: 'shutdown-begun' }, context).effects;
const monitored = closed?.draft.models[0]?.monitored ?? [];
const bytes = JSON.stringify(monitored).length / features;

console.log(
  JSON.stringify({
    bench: 'p10-drift-accounting',
    node: process.version,
    answers: answers * rounds,
    features,
    nsPerValueMedian: Number(median.toFixed(1)),
    nsPerValueWorstRound: Number((nanoseconds.at(-1) ?? Number.NaN).toFixed(1)),
    bytesPerFeaturePerWindow: Number(bytes.toFixed(1)),
    limits: { nsPerValue: 100, bytesPerFeaturePerWindow: 100 },
  }),
);
process.exitCode = median <= 100 ? 0 : 1;
