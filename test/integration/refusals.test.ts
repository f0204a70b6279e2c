import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readInputFile } from '../../agent/adapters/inputs/read-input-file.ts';
import { fetchPinnedCa } from '../../agent/adapters/pinned-ca.ts';
import { trainLocally } from '../../agent/runner/federation/local-trainer.ts';
import { openKey, sealKey } from '../../cli/keys/key-file.ts';
import { InThreadEngine } from '../../fleet-server/adapters/sql/engine/in-thread-engine.ts';
import { migrations } from '../../fleet-server/adapters/sql/migrations/migration-list.ts';
import { openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { RoundOffice } from '../../fleet-server/runner/federation/round-office.ts';
import { TelemetryIntake } from '../../fleet-server/runner/telemetry-intake.ts';
import { systemClock } from '../../shared/adapters/clock/system-clock.ts';
import { float32View } from '../../shared/codec/federated-update.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { DeviceId, Digest, Epoch } from '../../shared/core/ids.ts';
import { createOnnxRuntime } from '../../shared/runtime/onnx-runtime.ts';
import { CountingMetrics } from '../../sim/world/counting-metrics.ts';
import { packSmallParent, syntheticFiles } from '../support/federated-world.ts';
import { sampleBundle } from '../support/sample-bundle.ts';
import { silentLog } from '../support/silent-ports.ts';
import { device, digest, plant, received } from '../support/store-nouns.ts';
import { codeOfResult } from './bad-input/bad-case.ts';
import { DeviceScene } from './bad-input/device-scene.ts';
import { BadDevice } from './bad-input/enrolled-device.ts';
import { RoundScene } from './bad-input/round-scene.ts';
import { codeIn, ServerScene } from './bad-input/server-scene.ts';

/** Codes that no bad input causes: what is asked for is well-formed, and the moment or the machine says no. */
describe('a server', () => {
  let scene: ServerScene;
  beforeAll(async () => {
    scene = await ServerScene.open();
  });
  afterAll(() => scene.close());

  test('given a device that was rejected, does not let it in', async () => {
    const rejected = new BadDevice(scene, 'rejected-1');
    await rejected.enrol();
    await scene.http.store.transaction((tx) =>
      tx.devices.update(plant, rejected.address.device, { state: 'rejected' }),
    );
    expect(codeIn(await rejected.post('sessions', await rejected.login()))).toBe('device-rejected');
  });

  test('given a flood of challenges for one device, gives no more, and others theirs', async () => {
    const [eager, calm] = [new BadDevice(scene, 'eager-1'), new BadDevice(scene, 'calm-1')];
    const body = JSON.stringify(eager.address);
    for (let n = 0; n < limits.challengesPerDeviceMax; n += 1) await eager.post('challenges', body);
    expect(codeIn(await eager.post('challenges', body))).toBe('too-many-challenges');
    expect(await calm.nonce()).toHaveLength(64);
  });

  test('given as many sessions as it has room for, opens no other until one ends', async () => {
    const late = new BadDevice(scene, 'late-1');
    await late.enrol();
    const { live } = scene.http.server;
    const nowMs = scene.http.clock.nowMs();
    const addressOf = (n: number) => ({ fleet: plant, device: `full-${n}` as DeviceId });
    for (let n = 0; n < limits.liveSessionsMax; n += 1) {
      const session = { jti: String(n), epoch: '' as Epoch, key: new Uint8Array() };
      live.open({ ...session, address: addressOf(n), expiresAtMs: nowMs + 60_000 }, nowMs);
    }
    expect(codeIn(await late.post('sessions', await late.login()))).toBe('too-many-sessions');
    live.close(addressOf(0));
    expect(codeIn(await late.post('sessions', await late.login()))).toBe('ok');
  });
});

test('given a statement outside a transaction, the store refuses it', async () => {
  const engine = new InThreadEngine(null, migrations);
  const statement = { sql: 'select 1', parameters: [] };
  await expect(engine.writer.execute(statement)).rejects.toMatchObject({
    code: 'store-no-transaction',
  });
  await engine.close();
});

test('given windows above more gaps than a device can have in flight, the last is not taken', async () => {
  const { store } = openMemoryStore();
  await store.transaction(async (tx) => {
    await tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 0 });
    await tx.devices.insert(device('edge-1'));
  });
  const metrics = new CountingMetrics();
  const stop = new AbortController();
  const acks: unknown[] = [];
  const intake = new TelemetryIntake({
    ...{ store, clock: systemClock, log: silentLog, metrics },
    releaseAck: ({ ack }) => {
      acks.push(ack);
      stop.abort();
    },
  });
  for (let gap = 1; gap <= limits.windowRangesAheadMax + 1; gap += 1) {
    intake.submit(received('edge-1', 1 + 2 * gap));
  }
  await intake.run(stop.signal);
  const refused = metrics.value('skein_window_refusals_total', { code: 'window-too-far-ahead' });
  expect(refused).toBe(1);
  expect(metrics.value('skein_windows_total')).toBe(limits.windowRangesAheadMax);
  expect(acks).toMatchObject([{ durable: 0 }]);
  await store.close();
});

describe('a device', () => {
  test.each([
    ['a provider', { provider: 'webgpu' }, 'no-fitting-variant'],
    ['a newer runtime', { runtime: { min: '1.0.1' } }, 'no-fitting-variant'],
    ['an older runtime', { runtime: { max: '0.9.9' } }, 'no-fitting-variant'],
    ['just this runtime', { runtime: { min: '1.0.0', max: '1.0.0' } }, 'ok'],
  ] as const)(
    'given a bundle whose only variant asks for %s, says whether it fits',
    async (_what, needs, said) => {
      const scene = await DeviceScene.open();
      const bundle = sampleBundle(needs);
      scene.origin.add(bundle);
      scene.origin.operator.name(bundle);
      await scene.offer();
      expect(await scene.install(bundle)).toBe(said);
      await scene.close();
    },
  );

  test('given a bundle whose range of runtimes is empty, refuses what nobody can have meant', () => {
    const bundle = () => sampleBundle({ runtime: { min: '2.0.0', max: '1.0.0' } });
    expect(bundle).toThrow('the runtime range of variant fp32 is empty');
  });

  test('given an order before it knows any director, does nothing', async () => {
    const scene = await DeviceScene.open({ isNew: true });
    expect(await scene.refusedOrder(new Uint8Array())).toBe('no-director-known');
    await scene.close();
  });

  test('given an input that is not there, or no file, says so', async () => {
    for (const path of [join(tmpdir(), 'skein-nothing-here'), tmpdir()]) {
      await expect(readInputFile(path)).rejects.toMatchObject({ code: 'input-failed' });
    }
  });
});

test('given another passphrase, or a file that was changed, a key share stays closed', () => {
  const { publicKey, seed } = { publicKey: new Uint8Array(32).fill(1), seed: new Uint8Array(32) };
  const head = { role: 'root', holder: 'olga', nowMs: 0, seed, publicKey } as const;
  const file = sealKey({ ...head, passphrase: 'right horse' });
  expect(openKey(file, 'right horse')).toMatchObject({ ok: true });
  expect(codeOfResult(openKey(file, 'wrong horse'))).toBe('wrong-passphrase');
  expect(codeOfResult(openKey({ ...file, holder: 'ivan' }, 'right horse'))).toBe(
    'wrong-passphrase',
  );
});

test('given as many open rounds as a fleet may have, no other begins; an ended one stays ended', async () => {
  const scene = await RoundScene.open();
  const begin = async () =>
    codeOfResult(await scene.desk.create(plant, { request: scene.request(), author: 'ada' }));
  for (let n = 1; n < limits.openRoundsMax; n += 1) expect(await begin()).toBe('ok');
  expect(await begin()).toBe('rounds-exhausted');
  const { training } = scene.request();
  const tiny = {
    request: scene.request({ training: { ...training, goalDevices: 1 } }),
    author: '',
  };
  expect(codeOfResult(await scene.desk.create(plant, tiny))).toBe('below-round-floor');
  const ending = { round: scene.round, actor: 'ada' };
  expect(codeOfResult(await scene.desk.abandon(plant, ending))).toBe('ok');
  expect(codeOfResult(await scene.desk.abandon(plant, ending))).toBe('round-closed');
  expect(await begin()).toBe('ok');
  await scene.close();
});

test('given a server that holds no rounds, tells whoever starts one', async () => {
  const scene = await RoundScene.open();
  const { store } = openMemoryStore();
  const office = new RoundOffice({ store, clock: systemClock, federation: undefined });
  const started = await office.create('ada', plant, scene.request());
  expect(codeOfResult(started)).toBe('federation-off');
  await store.close();
  await scene.close();
});

test('given an agent that stops, a training ends before its next step', async () => {
  const { config, blobs } = await packSmallParent();
  const { training } = config;
  if (training === undefined) throw new Error('the sample has a training graph');
  const blobOf = (name: Digest): Uint8Array => blobs.get(name) ?? new Uint8Array();
  const [example] = syntheticFiles('interrupted', 1);
  const job = {
    config,
    task: { epochs: 1, batchRows: 1, learningRate: 1, goalDevices: 1, weightSamplesMax: 1 },
    graph: blobOf(training.graph),
    start: training.parameters.map(({ blob }) => float32View(Uint8Array.from(blobOf(blob)))),
    examples: [{ app: config.name, key: 'a', row: example?.counts ?? new Uint8Array(), label: 0 }],
    seed: 'interrupted',
    signal: AbortSignal.abort(),
  };
  await expect(trainLocally(createOnnxRuntime(), job)).rejects.toMatchObject({
    code: 'training-interrupted',
  });
});

const hasOpenssl = spawnSync('openssl', ['version']).error === undefined;

describe.skipIf(!hasOpenssl)('given a server with TLS (certificates need openssl)', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skein-pin-'));
    const made = spawnSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-keyout', join(folder, 'a.key'), '-out', join(folder, 'a.crt')],
      ...['-days', '2', '-subj', '/CN=fleet', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ]);
    expect(made.status).toBe(0);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('when it shows another authority than was pinned, the device stops there', async () => {
    const [cert, key] = ['a.crt', 'a.key'].map((name) => readFileSync(join(folder, name)));
    const server = createServer({ cert, key }, (socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(fetchPinnedCa(origin, digest('0'))).rejects.toMatchObject({ code: 'ca-mismatch' });
    await new Promise((resolve) => server.close(resolve));
  });
});
