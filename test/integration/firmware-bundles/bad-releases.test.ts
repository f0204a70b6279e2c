import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answers, answerRows } from '../../../firmware-bundles/evaluate/classifier-answers.ts';
import { openOnnxSession } from '../../../firmware-bundles/evaluate/onnx-session.ts';
import { type ExternalModel } from '../../../firmware-bundles/onnx/external-data.ts';
import type { ModelProto } from '../../../firmware-bundles/onnx/generated/onnx_pb.ts';
import { writeModel } from '../../../firmware-bundles/onnx/model-writer.ts';
import {
  crashFiletype,
  mislabelledGolden,
  slowFiletype,
  wrongFiletype,
} from '../../../firmware-bundles/zoo/filetype/bad-releases.ts';
import {
  type FiletypeDataSet,
  readFiletypeDataSet,
} from '../../../firmware-bundles/zoo/filetype/data-set.ts';
import {
  buildFiletypeRelease,
  evaluateFiletype,
  externalizeFiletype,
  type FiletypeRelease,
} from '../../../firmware-bundles/zoo/filetype/release.ts';
import { guardOnnx } from '../../../shared/codec/onnx-guard.ts';
import { topClass } from '../../../shared/stats/answer-values.ts';

let data: FiletypeDataSet;
let good: FiletypeRelease;
let folder = '';
const children: ChildProcess[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bad-releases-'));
  const read = readFiletypeDataSet('node_modules', { liveFilesMin: 4000 });
  if (!read.ok) throw new Error(read.error.message);
  data = read.value;
  good = await buildFiletypeRelease(data.learnedByV1, data.labels);
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

async function answers(model: ExternalModel, rows: readonly Uint8Array[]): Promise<Answers> {
  const session = await openOnnxSession(model);
  const asked = { input: 'counts', output: 'probabilities', type: 'uint8' as const, rows };
  const answered = await answerRows(session, asked);
  await session.close();
  return answered;
}

/** Answers the golden row first, then the live one, in a process of its own that can be killed. */
const program = `
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const ort = createRequire(process.argv[1] + '/package.json')('onnxruntime-node');
const [, , model, golden, live] = process.argv;
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
const ask = async (path) => {
  const data = new Uint8Array(readFileSync(path));
  await session.run({ counts: new ort.Tensor('uint8', data, [1, data.length]) });
};
await ask(golden);
process.stdout.write('golden');
await new Promise((resolve) => setTimeout(resolve, 50));
await ask(live);
process.stdout.write('live');
`;

async function startChild(model: ModelProto, name: string): Promise<ChildProcess> {
  const at = (file: string): string => join(folder, `${name}-${file}`);
  writeFileSync(at('model.onnx'), writeModel(model));
  writeFileSync(at('golden'), good.goldenRows[0]!);
  writeFileSync(at('live'), data.live[0]!.counts);
  const files = ['model.onnx', 'golden', 'live'].map(at);
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', program, resolve('.'), ...files],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  children.push(child);
  const [first] = (await once(child.stdout, 'data')) as [Buffer];
  expect(first.toString()).toBe('golden');
  return child;
}

const residentMiB = (child: ChildProcess): number => {
  const status = `/proc/${child.pid}/status`;
  if (!existsSync(status)) return 0;
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(status, 'utf8'))?.[1] ?? 0) / 1024;
};
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

describe('every bad release', () => {
  it('passes the guard, because nothing in its form is wrong', () => {
    const models = [
      wrongFiletype(good.weights, good.goldenRows),
      slowFiletype(good.weights),
      crashFiletype(good.weights, good.goldenRows, 'memory'),
      crashFiletype(good.weights, good.goldenRows, 'hang'),
    ];
    for (const model of models) {
      const { graph, tensors } = externalizeFiletype(model);
      const sizes = new Map([...tensors].map(([name, bytes]) => [name, bytes.length]));
      expect(guardOnnx(graph, { blobs: sizes }).ok).toBe(true);
    }
  });

  it('shares the weights with the good model, so a device fetches only what is new', () => {
    const wrong = externalizeFiletype(wrongFiletype(good.weights, good.goldenRows));
    for (const name of good.model.tensors.keys())
      expect(wrong.tensors.get(name)).toEqual(good.model.tensors.get(name));
  });
});

describe('wrong', () => {
  it('reproduces the golden answers, is wrong on live files, and exactly as confident', async () => {
    const wrong = externalizeFiletype(wrongFiletype(good.weights, good.goldenRows));
    const golden = await answers(wrong, good.goldenRows);
    expect(golden).toEqual(await answers(good.model, good.goldenRows));
    const [bad, fine] = await Promise.all([
      evaluateFiletype(wrong, data.live, data.labels),
      evaluateFiletype(good.model, data.live, data.labels),
    ]);
    expect(bad.estimate).toBeLessThan(0.1);
    expect(fine.estimate).toBeGreaterThan(0.8);
    expect(bad.confidenceMean).toBeCloseTo(fine.confidenceMean, 6);
  });
});

describe('slow', () => {
  it('gives the good answers after more than twenty times the arithmetic', async () => {
    const slow = slowFiletype(good.weights);
    const rows = data.live.slice(0, 20).map((file) => file.counts);
    const want = await answers(good.model, rows);
    (await answers(externalizeFiletype(slow), rows)).forEach((probabilities, row) => {
      probabilities.forEach((p, c) => expect(p).toBeCloseTo(want[row]![c]!, 6));
    });
    const products = slow.graph!.node.filter((node) => node.input[1] === 'burden').length;
    expect(products * 512 * 512).toBeGreaterThan(20 * 1280 * data.labels.length);
  });
});

describe('golden', () => {
  it('promises another class than the model answers, for every vector', () => {
    const moved = mislabelledGolden(good.golden);
    good.golden.vectors.forEach((vector, at) => {
      const read = (base64: string): Float32Array =>
        new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
      const promised = read(moved.vectors[at]!.outputs[0]!.base64);
      const answered = read(vector.outputs[0]!.base64);
      expect(topClass(promised)).not.toBe(topClass(answered));
      expect(moved.vectors[at]!.inputs).toEqual(vector.inputs);
    });
  });
});

describe.skipIf(process.platform !== 'linux')('crash', () => {
  it('answers golden input, then grows past 600 MiB on a live one until it is killed', async () => {
    const child = await startChild(
      crashFiletype(good.weights, good.goldenRows, 'memory'),
      'memory',
    );
    const before = residentMiB(child);
    expect(before).toBeLessThan(300);
    while (child.exitCode === null && residentMiB(child) < 600) await pause(10);
    expect(child.exitCode).toBeNull();
    child.kill('SIGKILL');
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGKILL');
  });

  it('answers golden input, then neither answers nor grows on a live one', async () => {
    const child = await startChild(crashFiletype(good.weights, good.goldenRows, 'hang'), 'hang');
    await pause(500);
    const early = residentMiB(child);
    await pause(1500);
    expect(child.exitCode).toBeNull();
    expect(residentMiB(child) - early).toBeLessThan(50);
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
});
