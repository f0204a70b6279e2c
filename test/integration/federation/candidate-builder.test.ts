import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { buildCandidate } from '../../../firmware-bundles/evaluate/candidate-bundle.ts';
import { readHeldOutSet } from '../../../firmware-bundles/evaluate/held-out-set.ts';
import { nativeBench } from '../../../firmware-bundles/evaluate/native-bench.ts';
import { openOnnxSession } from '../../../firmware-bundles/evaluate/onnx-session.ts';
import { float32Of, tensorOf } from '../../../firmware-bundles/onnx/tensor.ts';
import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import { ProcessCandidateBuilder } from '../../../fleet-server/adapters/candidate-builder/process-candidate-builder.ts';
import { float32View } from '../../../shared/codec/federated-update.ts';
import type { CandidateJob } from '../../../shared/contracts/federation.ts';
import { concatBytes } from '../../../shared/core/bytes.ts';
import type { RoundId, TargetPath } from '../../../shared/core/ids.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { MemoryBlobStore } from '../../../sim/world/memory-blob-store.ts';
import {
  heldOutBytes,
  once,
  packSmallParent,
  storeBundle,
  syntheticFiles,
  syntheticLabels,
} from '../../support/federated-world.ts';

const job: CandidateJob = {
  round: 'rnd-00000000000000aa' as RoundId,
  parent: 'bundles/filetype@1.0.0' as TargetPath,
  base: 'bundles/filetype@1.0.0' as TargetPath,
  version: '2.0.0',
  devices: 12,
  createdAtMs: 5,
};

let folder: string;
let parent: PackedBundle;
let start: Float32Array;
let trained: Float32Array;
const blobs = new MemoryBlobStore();
const heldOutSet = heldOutBytes('gate', 200);
const heldOut = digestOf(heldOutSet);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-builder-'));
  parent = await packSmallParent();
  await storeBundle(blobs, parent);
  await blobs.put(heldOut, once(heldOutSet), { bytesMax: 1 << 30 });
  const parameters = parent.config.training!.parameters;
  start = float32View(concatBytes(parameters.map(({ blob }) => parent.blobs.get(blob)!)));
  trained = await descend(start, 40);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Full-batch descent on files that the parent has not seen. */
async function descend(from: Float32Array, steps: number): Promise<Float32Array> {
  const session = await openOnnxSession({
    graph: parent.blobs.get(parent.config.training!.graph)!,
  });
  const files = syntheticFiles('more', 240);
  const rows = concatBytes(files.map((file) => file.counts));
  const labels = files.map((file) => syntheticLabels.findIndex((label) => label === file.label));
  let values = from;
  const cut = from.length - 4;
  for (let step = 0; step < steps; step += 1) {
    const outputs = await session.run({
      counts: { type: 'uint8', shape: [240, rows.length / 240], bytes: rows },
      labels: tensorOf('int64', [240], labels),
      weights: tensorOf('float32', [cut / 4, 4], values.subarray(0, cut)),
      bias: tensorOf('float32', [4], values.subarray(cut)),
      lr: tensorOf('float32', [], [4]),
    });
    values = Float32Array.from([
      ...float32Of(outputs.get('next/weights')!),
      ...float32Of(outputs.get('next/bias')!),
    ]);
  }
  await session.close();
  return values;
}

const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.slice().buffer);
const build = (values: Float32Array, program?: URL, limits = {}) =>
  new ProcessCandidateBuilder({
    ...{ blobs, folder, ...limits },
    ...(program === undefined ? {} : { program }),
  }).build({
    job,
    parent: parent.digest,
    base: parent.digest,
    parameters: bytesOf(values),
    heldOut,
  });

describe('the candidate builder', () => {
  it('when the average is better, packs a candidate that differs in the trained tensors alone', async () => {
    const built = await build(trained);
    if (!built.ok) throw new Error(`${built.error.code}: ${built.error.message}`);
    const { digest, evidence } = built.value;
    expect(evidence.n).toBe(200);
    expect(evidence.candidate.correct).toBeGreaterThan(evidence.base.correct);
    expect(await blobs.size(digest)).toBeGreaterThan(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it('when the average is the parent itself, refuses it as not better, with the numbers', async () => {
    expect(await build(start)).toMatchObject({
      ok: false,
      error: { code: 'candidate-not-better', evidence: { n: 200 } },
    });
  });

  it('when the average left the signed distance, refuses it', async () => {
    const far = trained.map((value) => value * 60);
    expect(await build(far)).toMatchObject({ ok: false, error: { code: 'candidate-too-far' } });
  });

  const buildFrom = async (change: Partial<PackedBundle>): Promise<string> => {
    const held = readHeldOutSet(heldOutSet);
    if (!held.ok) throw new Error(held.error.message);
    const altered = { ...parent, ...change };
    const given = {
      job,
      parent: altered,
      base: altered,
      parameters: bytesOf(trained),
      heldOut: held.value,
    };
    const inputs = { ...given, bench: nativeBench };
    const built = await buildCandidate(inputs);
    return built.ok ? 'ok' : built.error.code;
  };

  it('when the average leaves the golden tolerance of its parent, refuses it', async () => {
    const golden = { ...parent.config.golden, tolerance: [{ provider: 'cpu', absolute: 0 }] };
    const config = { ...parent.config, golden };
    expect(await buildFrom({ config })).toBe('candidate-golden-mismatch');
  });

  it('when the parent was not quantized in the way of this workshop, refuses it', async () => {
    const scale = parent.config.variants[0]!.tensors.find(({ location }) =>
      location.endsWith('_scale'),
    )!;
    const bytes = parent.blobs.get(scale.digest)!.slice().fill(1);
    const altered = new Map(parent.blobs).set(scale.digest, bytes);
    expect(await buildFrom({ blobs: altered })).toBe('candidate-recipe-unknown');
  });

  it('when the program crashes, hangs or eats memory, fails the candidate and nothing else', async () => {
    const programs = await mkdtemp(join(tmpdir(), 'skein-programs-'));
    onTestFinished(() => rm(programs, { recursive: true }));
    const program = async (name: string, text: string): Promise<URL> => {
      const path = join(programs, `${name}.mjs`);
      await writeFile(path, text);
      return pathToFileURL(path);
    };
    const crash = await program('crash', 'process.abort();');
    const hang = await program('hang', 'setInterval(() => {}, 1000);');
    const eat = await program(
      'eat',
      'const all = []; setInterval(() => all.push(new Uint8Array(1 << 26).fill(1)), 5);',
    );
    const code = 'candidate-build-failed';
    await expect(build(trained, crash)).rejects.toMatchObject({ code });
    await expect(build(trained, hang, { timeoutMs: 500 })).rejects.toMatchObject({ code });
    await expect(build(trained, eat, { memoryBytesMax: 300 << 20 })).rejects.toThrow(/resident/);
    expect(await readdir(folder)).toEqual([]);
  });
});
