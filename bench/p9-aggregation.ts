/**
 * P9: federated aggregation. Adds 1,000 updates of 1 M parameters to a fixed-point sum and compares the speed with a
 * plain memory copy of the same bytes in the same run; the memory of the sum is printed for 10 and for 1,000 devices.
 * Run after a build: `node dist/bench/p9-aggregation.js`.
 */
import { performance } from 'node:perf_hooks';
import { KernelSum } from '../fleet-server/adapters/aggregator/kernel-sum.ts';
import { encodeUpdate } from '../shared/codec/federated-update.ts';
import type { RoundId } from '../shared/core/ids.ts';
import { createPrng } from '../shared/core/prng.ts';
import { printFigure, quantile } from './figure.ts';

const parameters = 1_000_000;
const updates = 1_000;
/** Different updates in turn: 128 MB, so that neither side finds its input in a cache. */
const distinct = 32;
const rounds = 3;

const plan = {
  round: 'rnd-0000000000000009' as RoundId,
  bundle: `sha256:${'09'.repeat(32)}`,
  elements: [parameters],
  clipNorm: 1,
};
const prng = createPrng('p9');
const pool = Array.from({ length: distinct }, () =>
  encodeUpdate(plan, [Float32Array.from({ length: parameters }, () => prng.nextUnit() * 1e-3)]),
);
const updateBytes = pool[0]?.length ?? 0;

function copySeconds(): number {
  const target = new Uint8Array(updateBytes);
  const begin = performance.now();
  for (let i = 0; i < updates; i += 1) target.set(pool[i % distinct] ?? target);
  return (performance.now() - begin) / 1000;
}

function sumSeconds(order: (i: number) => number): { seconds: number; mean: Float32Array } {
  const sum = new KernelSum(plan);
  const begin = performance.now();
  for (let i = 0; i < updates; i += 1) {
    const at = order(i);
    const added = sum.add(pool[at % distinct] ?? new Uint8Array(), 1 + (at % 256));
    if (!added.ok) throw new Error(added.error.message);
  }
  const mean = sum.mean();
  return { seconds: (performance.now() - begin) / 1000, mean };
}

/** External memory that one sum holds after `count` updates. */
function memoryAfter(count: number): number {
  const { gc } = globalThis;
  gc?.();
  const before = process.memoryUsage().arrayBuffers;
  const sum = new KernelSum(plan);
  for (let i = 0; i < count; i += 1) sum.add(pool[i % distinct] ?? new Uint8Array(), 1);
  gc?.();
  const held = process.memoryUsage().arrayBuffers - before;
  sum.mean();
  return held;
}

const megabytes = (updateBytes * updates) / 1e6;
const copies: number[] = [];
const sums: number[] = [];
let isSame = true;
for (let round = 0; round < rounds; round += 1) {
  copies.push(megabytes / copySeconds());
  const forward = sumSeconds((i) => i);
  const backward = sumSeconds((i) => updates - 1 - i);
  sums.push(megabytes / forward.seconds);
  isSame &&= Buffer.from(forward.mean.buffer).equals(Buffer.from(backward.mean.buffer));
}
const copy = quantile(copies, 0.5);
const sum = quantile(sums, 0.5);
printFigure({
  name: 'p9-aggregation',
  value: sum,
  unit: 'MB/s',
  against: `memory copy ${copy.toFixed(0)} MB/s`,
  ratio: sum / copy,
  goal: '>= 0.5',
});
printFigure({
  name: 'p9-aggregation-memory',
  value: memoryAfter(updates) / 1e6,
  unit: 'MB',
  against: `10 devices ${(memoryAfter(10) / 1e6).toFixed(2)} MB`,
  ratio: memoryAfter(updates) / memoryAfter(10),
  goal: '1 (flat in the number of devices)',
});
console.log(JSON.stringify({ bench: 'p9-aggregation', parameters, updates, bitEqual: isSame }));
process.exitCode = isSame && sum / copy >= 0.5 ? 0 : 1;
