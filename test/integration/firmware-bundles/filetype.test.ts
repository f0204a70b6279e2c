import { beforeAll, describe, expect, it } from 'vitest';
import { accuracyOf, answerRows } from '../../../firmware-bundles/evaluate/classifier-answers.ts';
import { openOnnxSession } from '../../../firmware-bundles/evaluate/onnx-session.ts';
import { float32Of } from '../../../firmware-bundles/onnx/tensor.ts';
import { dequantizeWeights } from '../../../firmware-bundles/optimize/quantize-weights.ts';
import {
  countsTable,
  type FiletypeDataSet,
  readFiletypeDataSet,
} from '../../../firmware-bundles/zoo/filetype/data-set.ts';
import { dealToDevices } from '../../../firmware-bundles/zoo/filetype/device-deal.ts';
import { hellingerRows } from '../../../firmware-bundles/zoo/filetype/features.ts';
import { filetypeTrainable } from '../../../firmware-bundles/zoo/filetype/graph.ts';
import {
  buildFiletypeRelease,
  candidateTensors,
  evaluateFiletype,
  type FiletypeRelease,
} from '../../../firmware-bundles/zoo/filetype/release.ts';
import { guardOnnx } from '../../../shared/codec/onnx-guard.ts';
import { bytesOfBase64 } from '../../../shared/core/bytes.ts';

const devices = { devices: 200, filesMin: 20 };
let data: FiletypeDataSet;
let v1: FiletypeRelease;
let v2: FiletypeRelease;
beforeAll(async () => {
  const read = readFiletypeDataSet('node_modules', {
    liveFilesMin: devices.devices * devices.filesMin,
  });
  if (!read.ok) throw new Error(read.error.message);
  data = read.value;
  v1 = await buildFiletypeRelease(data.learnedByV1, data.labels);
  v2 = await buildFiletypeRelease(data.learnedByV2, data.labels);
});

const packagesOf = (files: readonly { package: string }[]) =>
  new Set(files.map((file) => file.package));

describe('the filetype data set of the installed packages', () => {
  it('has classes with enough files and packages in every part', () => {
    expect(data.labels.length).toBeGreaterThanOrEqual(5);
    for (const row of countsTable(data)) {
      expect(row.files).toBeGreaterThanOrEqual(30);
      expect(row.packages).toBeGreaterThanOrEqual(10);
      for (const files of Object.values(data.split.files)) {
        const ofClass = files.filter((file) => file.label === row.label);
        expect(packagesOf(ofClass).size).toBeGreaterThanOrEqual(3);
      }
    }
  });

  it('shows no package of the held-out or live part to a model', () => {
    const learned = packagesOf(data.learnedByV2);
    const { gate, state } = data.held;
    for (const name of packagesOf([...data.live, ...gate, ...state])) {
      expect(learned.has(name)).toBe(false);
    }
    const stated = packagesOf(state);
    expect([...packagesOf(gate)].filter((name) => stated.has(name))).toEqual([]);
    expect(data.learnedByV1.every((file) => data.learnedByV2.includes(file))).toBe(true);
  });

  it('gives each of 200 devices at least 20 files', () => {
    const deal = dealToDevices(data.live, devices);
    expect(Math.min(...deal.map((hand) => hand.length))).toBeGreaterThanOrEqual(20);
  });
});

describe('filetype', () => {
  it('is right on more than 80 percent of packages nobody saw, v2 more often than v1 on live ones', async () => {
    const held = [...data.held.gate, ...data.held.state];
    for (const release of [v1, v2]) {
      const accuracy = await evaluateFiletype(release.model, held, data.labels);
      expect(accuracy.estimate).toBeGreaterThan(0.8);
      expect(accuracy.low).toBeLessThan(accuracy.estimate);
    }
    const live = await Promise.all(
      [v1, v2].map((release) => evaluateFiletype(release.model, data.live, data.labels)),
    );
    expect(live[1]!.estimate).toBeGreaterThan(live[0]!.estimate);
  });

  it('passes the guard with its three trainable tensors outside', () => {
    const blobs = new Map([...v2.model.tensors].map(([name, bytes]) => [name, bytes.length]));
    const guarded = guardOnnx(v2.model.graph, { blobs });
    expect(guarded.ok && guarded.value.locations.length).toBe(filetypeTrainable.size);
    expect(v2.model.tensors.size).toBe(filetypeTrainable.size);
  });

  it('is the same bytes when built again from the same files', async () => {
    const again = await buildFiletypeRelease(data.learnedByV1, data.labels);
    expect(again.model).toEqual(v1.model);
    expect(again.golden).toEqual(v1.golden);
    expect(again.profile).toEqual(v1.profile);
  });

  it('keeps the graph when a candidate replaces the trainable tensors', () => {
    expect(v1.model.graph).toEqual(v2.model.graph);
    const candidate = candidateTensors(v1.classifier);
    expect(candidate).toEqual(v1.model.tensors);
    expect([...candidate.keys()].sort()).toEqual([...filetypeTrainable].sort());
  });

  it('reproduces its golden vectors, one batch after the other or all at once', async () => {
    const session = await openOnnxSession(v2.model);
    for (const { inputs, outputs } of v2.golden.vectors) {
      const fed = Object.fromEntries(
        inputs.map((tensor) => [
          tensor.name,
          {
            type: tensor.type,
            shape: tensor.shape,
            bytes: bytesOfBase64(tensor.base64)!,
          },
        ]),
      );
      const answered = await session.run(fed);
      for (const wanted of outputs) {
        expect(answered.get(wanted.name)?.bytes).toEqual(bytesOfBase64(wanted.base64));
      }
    }
    await session.close();
  });

  it('computes in the graph what the fit computed on its rows', async () => {
    const files = data.live.slice(0, 50);
    const session = await openOnnxSession(v2.model);
    const answers = await answerRows(session, {
      input: 'counts',
      output: 'probabilities',
      type: 'uint8',
      rows: files.map((file) => file.counts),
    });
    await session.close();
    const rows = hellingerRows(files.map((file) => file.counts));
    const weights = dequantizeWeights(v2.weights);
    const classes = data.labels.length;
    answers.forEach((probabilities, row) => {
      const logits = Array.from(v2.weights.bias);
      for (let k = rows.starts[row]!; k < rows.starts[row + 1]!; k += 1) {
        for (let c = 0; c < classes; c += 1) {
          logits[c]! += rows.values[k]! * weights[rows.columns[k]! * classes + c]!;
        }
      }
      const largest = Math.max(...logits);
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
      probabilities.forEach((p, c) => {
        // The fused int8 kernel rounds the features too.
        expect(Math.abs(p - Math.exp(logits[c]! - largest) / total)).toBeLessThan(0.01);
      });
    });
  });

  it('answers a file without a byte with numbers', async () => {
    const session = await openOnnxSession(v2.model);
    const empty = { type: 'uint8' as const, shape: [1, 1280], bytes: new Uint8Array(1280) };
    const answered = await session.run({ counts: empty });
    const sum = float32Of(answered.get('probabilities')!).reduce((total, p) => total + p, 0);
    await session.close();
    expect(sum).toBeCloseTo(1, 5);
  });

  it('has a reference profile of at most 64 values whose counts are complete', () => {
    const { n, monitored } = v2.profile;
    expect(monitored.length).toBe(data.labels.length + 2);
    expect(monitored.length).toBeLessThanOrEqual(64);
    for (const value of monitored) {
      expect(value.counts.length).toBe(value.edges.length + 1);
      expect(value.counts.reduce((sum, count) => sum + count, 0)).toBe(n);
    }
  });

  it('states accuracy with the answers counted', () => {
    const answers = [Float32Array.of(0.9, 0.1), Float32Array.of(0.2, 0.8)];
    const accuracy = accuracyOf(answers, [0, 0]);
    expect(accuracy).toMatchObject({ n: 2, correct: 1, estimate: 0.5 });
    expect(accuracy.confidenceMean).toBeCloseTo(0.85, 6);
  });
});
