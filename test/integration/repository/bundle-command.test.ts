import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { demoFolders } from '../../../cli/init/demo-setup.ts';
import { seedRepository } from '../../../cli/init/seed-repository.ts';
import { runSkein } from '../../../cli/program.ts';
import { OperatorSetIdProtoSchema } from '../../../firmware-bundles/onnx/generated/onnx_pb.ts';
import { GraphBuilder } from '../../../firmware-bundles/onnx/graph-builder.ts';
import { writeModel } from '../../../firmware-bundles/onnx/model-writer.ts';
import { tensorOf } from '../../../firmware-bundles/onnx/tensor.ts';
import { writeLayout } from '../../../firmware-bundles/pack/oci-layout.ts';
import { FileKeyStore } from '../../../fleet-server/adapters/keys/file-key-store.ts';
import { openMemoryStore } from '../../../fleet-server/adapters/sql/sql-store.ts';
import { ImageRepository } from '../../../fleet-server/runner/image-repository.ts';
import { systemClock } from '../../../shared/adapters/clock/system-clock.ts';
import { base64Of } from '../../../shared/core/bytes.ts';
import { MemoryBlobStore } from '../../../sim/world/memory-blob-store.ts';
import { openOrigin, tokens } from '../../support/repository-origin.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import { harbour, plant } from '../../support/store-nouns.ts';

/** One folder for the whole journey: each test goes on where the one before stopped. */
let folder = '';
let origin = '';
let app: FastifyInstance;
let repository: ImageRepository;
const at = (...parts: readonly string[]): string => join(folder, ...parts);

const run = (args: readonly string[]): Promise<number> =>
  runSkein(args, { out: () => undefined, err: () => undefined });
const bundle = (...args: readonly string[]): Promise<number> =>
  run(['bundle', '--home', at('demo', 'operator'), ...args]);

const signing = (): readonly string[] => [
  ...['--repository', origin, '--key', at('demo', 'operator', 'keys', 'targets-1.key.json')],
  ...['--passphrase-file', at('demo', 'operator', 'passphrase')],
];
const publishing = (): readonly string[] => ['--server', origin, '--token-file', at('token')];

/** A two-class linear model with weights large enough to lie outside of the graph. */
function model(bias: number): Uint8Array {
  const builder = new GraphBuilder('two');
  const x = builder.input('x', { type: 'float32', shape: ['batch', 256] });
  const weights = Float32Array.from({ length: 512 }, (_, i) => ((i * 37) % 19) / 19 - 0.5);
  const w = builder.initializer('w', tensorOf('float32', [256, 2], weights));
  const b = builder.initializer('b', tensorOf('float32', [2], Float32Array.of(bias, 0)));
  const logits = builder.node('Gemm', [x, w, b]);
  builder.node('Softmax', [logits], { outputs: ['p'], attributes: { axis: { int: 1 } } });
  builder.output('p', { type: 'float32', shape: ['batch', 2] });
  return writeModel(builder.model());
}

const recipe = (version: string, file: string): string => `
name: two
version: ${version}
inputs: [{ name: x, type: float32, shape: [batch, 256], meaning: numbers }]
outputs: [{ name: p, type: float32, shape: [batch, 2], meaning: probabilities }]
preprocessing: { kind: none }
postprocessing: { kind: classify, output: p, labels: [good, bad] }
variants:
  - id: fp32
    model: ${file}
    constraints: { provider: cpu, cpuFeatures: [], memoryBytesMax: 67108864 }
    session: { threads: 1, graphOptimization: all }
calibration: calibration.json
golden: { count: 4, tolerance: [{ provider: cpu, absolute: 0.001 }] }
probation: { inferences: 10, durationMs: 1000 }
limits: { memoryBytesMax: 67108864, loadTimeoutMs: 10000, runTimeoutMs: 1000 }
guards: { errorShareMax: 0.1, latencyP95MsMax: 100, confidenceMin: 0.1, inferencesMin: 20 }
stale: { maxDays: 365, then: keep }
minAgent: 0.1.0
`;

async function writeSources(): Promise<void> {
  const vectors = Array.from({ length: 12 }, (_, row) => {
    const values = Float32Array.from({ length: 256 }, (_v, i) => Math.sin(row * 7 + i));
    const base64 = base64Of(new Uint8Array(values.buffer));
    return { inputs: [{ name: 'x', type: 'float32', shape: [1, 256], base64 }] };
  });
  await writeFile(at('calibration.json'), JSON.stringify({ vectors }));
  await writeFile(at('model-1.onnx'), model(0));
  await writeFile(at('model-2.onnx'), model(0.25));
  await writeFile(at('one.yaml'), recipe('1.0.0', 'model-1.onnx'));
  await writeFile(at('two.yaml'), recipe('2.0.0', 'model-2.onnx'));
  await writeFile(at('token'), `${tokens.publisher}\n`);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-bundle-'));
  await writeSources();
  expect(await run(['init', '--demo', at('demo'), '--fleet', plant])).toBe(0);
  const folders = demoFolders(at('demo'));
  const { store } = openMemoryStore(null);
  await store.transaction(async (tx) => {
    for (const fleet of [plant, harbour]) {
      await tx.fleets.insert({ fleet, title: fleet, createdAtMs: 1 });
    }
  });
  const keys = await FileKeyStore.open({ folder: folders.onlineKeys });
  repository = await ImageRepository.open(
    { store, blobs: new MemoryBlobStore(), keys, clock: systemClock },
    { firstRoot: await readFile(folders.firstRoot) },
  );
  await seedRepository(repository, folders.repository);
  app = await openOrigin(repository);
  origin = await app.listen({ host: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

test('when a demo was set up, its first targets are served, marked, and never overwritten', async () => {
  expect(repository.directorKeys?.version).toBe(1);
  await seedRepository(repository, demoFolders(at('demo')).repository);
  const targets = await repository.readMetadata('1.targets.json');
  expect(Buffer.from(targets ?? []).toString()).toContain('"demo":true');
  expect(await run(['init', '--demo', at('demo')])).toBe(5);
});

test('when a recipe is built, the layout is whole and measured', async () => {
  expect(await bundle('build', at('one.yaml'), '--out', at('one'))).toBe(0);
  expect(await bundle('build', at('two.yaml'), '--out', at('two'))).toBe(0);
  expect(await bundle('verify', at('one'))).toBe(0);
  expect(await bundle('inspect', at('one'), '-o', 'json')).toBe(0);
  const shared = new Set(await readdir(at('one', 'blobs', 'sha256')));
  const second = await readdir(at('two', 'blobs', 'sha256'));
  expect(second.filter((name) => shared.has(name)).length).toBeGreaterThan(0);
});

/** What the command printed on its own two ends. */
async function printed(work: () => Promise<number>): Promise<{ code: number; text: string }> {
  const { log, error } = console;
  const lines: string[] = [];
  const keep = (line: string): void => void lines.push(line);
  Object.assign(console, { log: keep, error: keep });
  try {
    return { code: await work(), text: lines.join('\n') };
  } finally {
    Object.assign(console, { log, error });
  }
}

test('when a recipe gives a default answer, the bundle carries it signed and inspect shows it; a wrong one is refused with its code', async () => {
  const withDefault = (values: string): string =>
    `${recipe('1.0.0', 'model-1.onnx')}defaultAnswer: [{ name: p, values: ${values} }]\n`;
  await writeFile(at('given.yaml'), withDefault('[1, 0]'));
  expect(await bundle('build', at('given.yaml'), '--out', at('given'))).toBe(0);
  const { text } = await printed(() => bundle('inspect', at('given')));
  expect(text).toMatch(/default p\s+float32 \[2\] 1 0/);
  expect(text).toMatch(/stale\s+keep after 365 days/);
  const machine = await printed(() => bundle('inspect', at('given'), '-o', 'json'));
  const base64 = base64Of(new Uint8Array(Float32Array.of(1, 0).buffer));
  expect(JSON.parse(machine.text)).toMatchObject({
    stale: { maxDays: 365, then: 'keep' },
    defaultAnswer: [{ name: 'p', type: 'float32', shape: [2], base64 }],
  });
  const refusals = [
    ['[1]', 'default-answer-invalid'],
    ['[1, 0, 0]', 'default-answer-invalid'],
    ['[true, false]', 'default-answer-invalid'],
    ['[1, 0], shape: [1, 2]', 'default-answer-invalid'],
    ['[.nan, 0]', 'schema-mismatch'],
    ['[]', 'default-answer-invalid'],
  ] as const;
  for (const [values, code] of refusals) {
    await writeFile(at('bad.yaml'), withDefault(values));
    const refused = await printed(() => bundle('build', at('bad.yaml'), '--out', at('bad')));
    expect(refused.code, values).toBe(1);
    expect(refused.text, values).toContain(`${code}: `);
  }
});

const claiming = (variant: string): string =>
  recipe('1.0.0', 'model-1.onnx')
    .replace('memoryBytesMax: 67108864 }', `memoryBytesMax: 67108864${variant}`)
    .replace('provider: cpu, cpuFeatures: []', 'provider: cpu, cpuFeatures: [avx2]');

test('when a recipe names a range of runtimes, the bundle carries it and inspect shows it with the precision', async () => {
  await writeFile(at('range.yaml'), claiming(', runtime: { min: 1.18.0, max: 2.0.0 } }'));
  expect(await bundle('build', at('range.yaml'), '--out', at('range'))).toBe(0);
  const { text } = await printed(() => bundle('inspect', at('range')));
  expect(text).toMatch(/variant fp32\s+float32, cpu, runtime from 1.18.0 to 2.0.0, avx2, /);
  const machine = await printed(() => bundle('inspect', at('range'), '-o', 'json'));
  const constraints = { provider: 'cpu', cpuFeatures: ['avx2'], memoryBytesMax: 67108864 };
  expect(JSON.parse(machine.text)).toMatchObject({
    variants: [
      {
        ...{ id: 'fp32', precision: 'float32', session: { threads: 1 } },
        constraints: { ...constraints, runtime: { min: '1.18.0', max: '2.0.0' } },
      },
    ],
  });
  for (const range of ['{ min: 1.18.0, max: 1.17.9 }', '{}', '{ min: latest }']) {
    await writeFile(at('bad.yaml'), claiming(`, runtime: ${range} }`));
    expect(await bundle('build', at('bad.yaml'), '--out', at('bad')), range).not.toBe(0);
  }
});

test('when a recipe claims a precision, its graph must bear it out, and so must a layout that somebody else packed', async () => {
  await writeFile(at('claim.yaml'), claiming(' }\n    precision: float32'));
  expect(await bundle('build', at('claim.yaml'), '--out', at('claim'))).toBe(0);
  await writeFile(at('bad.yaml'), claiming(' }\n    precision: int8'));
  const refused = await printed(() => bundle('build', at('bad.yaml'), '--out', at('bad')));
  expect(refused.code).toBe(1);
  expect(refused.text).toContain('precision-mismatch: fp32: precision is said to be int8');
  await writeLayout(at('foreign'), sampleBundle({ precision: 'int8' }));
  const verified = await printed(() => bundle('verify', at('foreign')));
  expect(verified.text).toContain('precision-mismatch: variant fp32: precision is said to be int8');
  expect(verified.code).toBe(1);
});

/** The runtime knows this operator; no device takes it without its owner's word. */
function unusualModel(): Uint8Array {
  const builder = new GraphBuilder('two');
  const x = builder.input('x', { type: 'float32', shape: ['batch', 256] });
  const w = builder.initializer('w', tensorOf('float32', [256, 2], new Array<number>(512).fill(0)));
  const logits = builder.node('MatMul', [x, w]);
  const axis = builder.constant('int32', [], [0]);
  const raised = builder.node('ExpandDims', [logits, axis]);
  const axes = builder.constant('int64', [1], [0]);
  const lowered = builder.node('Squeeze', [raised, axes]);
  builder.node('Softmax', [lowered], { outputs: ['p'], attributes: { axis: { int: 1 } } });
  builder.output('p', { type: 'float32', shape: ['batch', 2] });
  const model = builder.model();
  for (const node of model.graph?.node ?? []) {
    if (node.opType === 'ExpandDims') node.domain = 'com.microsoft';
  }
  model.opsetImport.push(
    create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
  );
  return writeModel(model);
}

test('when a graph needs an operator of another domain, every verb refuses it and names the word that allows it', async () => {
  await writeFile(at('unusual.onnx'), unusualModel());
  await writeFile(at('unusual.yaml'), recipe('3.0.0', 'unusual.onnx'));
  const build = (...more: readonly string[]) =>
    printed(() => bundle('build', at('unusual.yaml'), '--out', at('unusual'), ...more));
  const refused = await build();
  expect(refused.code).toBe(9);
  expect(refused.text).toContain('onnx-operator-refused: ');
  expect(refused.text).toContain('the word com.microsoft in policy.onnx or --allow-onnx allows it');
  expect((await build('--allow-onnx', 'org.example', '--allow-onnx', 'ep-context')).code).toBe(9);
  expect((await build('--allow-onnx', 'Everything')).code).toBe(2);
  const word = ['--allow-onnx', 'com.microsoft'];
  expect((await build(...word)).code).toBe(0);
  const layout = at('unusual');
  for (const [verb, ...more] of [['verify'], ['inspect'], ['sign', ...signing()]] as const) {
    expect((await printed(() => bundle(verb, layout, ...more))).code, verb).toBe(9);
    expect((await printed(() => bundle(verb, layout, ...more, ...word))).code, verb).toBe(0);
  }
});

test('when a recipe says nothing of old metadata, its bundle says nothing either', async () => {
  const silent = recipe('1.0.0', 'model-1.onnx').replace(/^stale:.*\n/m, '');
  await writeFile(at('silent.yaml'), silent);
  expect(await bundle('build', at('silent.yaml'), '--out', at('silent'))).toBe(0);
  const { text } = await printed(() => bundle('inspect', at('silent')));
  expect(text).toMatch(/stale\s+runs on/);
  expect(text).toMatch(/default answer\s+none/);
});

test('when a recipe is wrong, the command says where and ends with 1', async () => {
  await writeFile(at('bad.yaml'), recipe('1.0', 'model-1.onnx'));
  expect(await bundle('build', at('bad.yaml'), '--out', at('bad'))).toBe(1);
  await writeFile(at('bad.yaml'), `${recipe('1.0.0', 'model-1.onnx')}extra: 1\n`);
  expect(await bundle('build', at('bad.yaml'), '--out', at('bad'))).toBe(1);
});

test('when nothing is confirmed, nothing is signed; when it is, it is published', async () => {
  expect(await bundle('sign', at('one'), ...signing())).toBe(0);
  expect(await bundle('publish', at('one'), ...publishing())).toBe(3);
  expect(await bundle('sign', at('one'), ...signing(), '--yes')).toBe(0);
  expect(await bundle('verify', at('one'), '--repository', origin)).toBe(3);
  expect(await bundle('publish', at('one'), ...publishing())).toBe(0);
  expect(await bundle('publish', at('one'), ...publishing())).toBe(0);
  expect(await bundle('verify', at('one'), '--repository', origin)).toBe(0);
  expect(await bundle('verify', at('two'), '--repository', origin)).toBe(3);
});

test('when a blob of the layout is altered, it is neither signed nor published', async () => {
  await bundle('build', at('two.yaml'), '--out', at('spoiled'));
  const names = await readdir(at('spoiled', 'blobs', 'sha256'));
  for (const name of names) {
    const path = at('spoiled', 'blobs', 'sha256', name);
    const bytes = await readFile(path);
    const spoiled = Uint8Array.from(bytes);
    spoiled[0] = (spoiled[0] ?? 0) ^ 1;
    await writeFile(path, spoiled);
    expect(await bundle('sign', at('spoiled'), ...signing(), '--yes'), name).toBe(9);
    await writeFile(path, bytes);
  }
});

test('when a bundle is pulled by digest, it is the published one; a wrong digest is not found', async () => {
  const index = JSON.parse(await readFile(at('one', 'index.json'), 'utf8')) as {
    manifests: [{ digest: string }];
  };
  const [{ digest }] = index.manifests;
  const from = ['--from', origin, '--token-file', at('token')];
  expect(await bundle('pull', 'two', digest, ...from, '--out', at('pulled'))).toBe(0);
  expect((await readdir(at('pulled', 'blobs', 'sha256'))).sort()).toEqual(
    (await readdir(at('one', 'blobs', 'sha256'))).sort(),
  );
  const other = `sha256:${'0'.repeat(64)}`;
  expect(await bundle('pull', 'two', other, ...from, '--out', at('none'))).toBe(3);
  const stranger = ['--from', origin, '--out', at('none')];
  expect(await bundle('pull', 'two', digest, ...stranger)).toBe(4);
});

test('when the server shows an older repository than was seen before, nothing is signed', async () => {
  const before = origin;
  const folders = demoFolders(at('demo'));
  origin = folders.repository;
  expect(await bundle('sign', at('two'), ...signing(), '--yes')).toBe(9);
  origin = before;
});

test('when a bundle is retired and revoked, the registry and every device learn it', async () => {
  expect(await bundle('sign', at('two'), ...signing(), '--yes')).toBe(0);
  expect(await bundle('publish', at('two'), ...publishing())).toBe(0);
  const { digest } = (await repository.registry.readManifest(
    { fleets: 'all', seesUploads: false },
    { name: 'two', reference: '1.0.0' },
  )) ?? { digest: '' };
  const change = ['--retire', 'bundles/two@1.0.0', '--revoke', `${digest}=bad-model`];
  expect(await bundle('sign', ...change, ...signing(), '--yes')).toBe(0);
  expect(await bundle('publish', ...publishing())).toBe(0);
  expect([...repository.revoked]).toEqual([digest]);
});

test('when a key does not open or belongs to another role, nothing is signed', async () => {
  await writeFile(at('wrong'), 'not the passphrase');
  const key = (name: string) => ['--key', at('demo', 'operator', 'keys', `${name}.key.json`)];
  const base = ['sign', '--floor', 'two=2', '--repository', origin, '--yes'];
  expect(await bundle(...base, ...key('targets-1'), '--passphrase-file', at('wrong'))).toBe(4);
  const passphrase = ['--passphrase-file', at('demo', 'operator', 'passphrase')];
  expect(await bundle(...base, ...key('root-1'), ...passphrase)).not.toBe(0);
  expect(await bundle(...base)).toBe(2);
});

test('when a repository is only a folder, the same rules hold and a client reads it', async () => {
  expect(await run(['init', '--demo', at('static')])).toBe(0);
  const { operator, repository: where, onlineKeys, passphraseFile } = demoFolders(at('static'));
  const own = (...args: readonly string[]) => run(['bundle', '--home', operator, ...args]);
  const key = ['--key', join(operator, 'keys', 'targets-1.key.json')];
  const sign = ['--repository', where, ...key, '--passphrase-file', passphraseFile, '--yes'];
  const to = ['--to', where, '--online-keys', onlineKeys];
  expect(await own('sign', at('one'), ...sign)).toBe(0);
  expect(await own('publish', ...to)).toBe(5);
  expect(await own('publish', at('one'), ...to)).toBe(0);
  expect(await own('verify', at('one'), '--repository', where)).toBe(0);
  expect(await readdir(join(where, 'v2', 'two'))).toEqual(['blobs', 'manifests']);
});
