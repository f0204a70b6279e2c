import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ByteBudget } from '../../../agent/runner/byte-budget.ts';
import { ContentStore } from '../../../agent/runner/content-store.ts';
import { CandidateGate } from '../../../agent/runner/federation/candidate-gate.ts';
import { ExampleIndex } from '../../../agent/runner/federation/example-index.ts';
import { RoundRunner } from '../../../agent/runner/federation/round-runner.ts';
import { TrainingStore } from '../../../agent/runner/federation/training-store.ts';
import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import { WorkerAggregator } from '../../../fleet-server/adapters/aggregator/worker-aggregator.ts';
import { ProcessCandidateBuilder } from '../../../fleet-server/adapters/candidate-builder/process-candidate-builder.ts';
import { openMemoryStore } from '../../../fleet-server/adapters/sql/sql-store.ts';
import { CandidateShop } from '../../../fleet-server/runner/federation/candidate-shop.ts';
import { roundStateOf } from '../../../fleet-server/runner/federation/round-book.ts';
import { RoundDesk } from '../../../fleet-server/runner/federation/round-desk.ts';
import { RoundOrders } from '../../../fleet-server/runner/federation/round-orders.ts';
import { UpdateIntake } from '../../../fleet-server/runner/federation/update-intake.ts';
import { systemClock } from '../../../shared/adapters/clock/system-clock.ts';
import { cryptoRandom } from '../../../shared/adapters/random/crypto-random.ts';
import { decodeBundle } from '../../../shared/codec/bundle.ts';
import { encodeUpdate } from '../../../shared/codec/federated-update.ts';
import { decodeFrame } from '../../../shared/codec/frame.ts';
import type { RoundOrder, RoundRequest } from '../../../shared/contracts/federation.ts';
import { bytesOfBase64, hexOf, textOf, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import type { DeviceId, Digest, RoundId, TargetPath } from '../../../shared/core/ids.ts';
import { ok } from '../../../shared/core/result.ts';
import type { Fetcher } from '../../../shared/ports/fetcher.ts';
import { createOnnxRuntime } from '../../../shared/runtime/onnx-runtime.ts';
import { readEnvelope, signEnvelope } from '../../../shared/trust/dsse.ts';
import { openVerifyingKey } from '../../../shared/trust/ed25519.ts';
import { digestOf, sha256Hex } from '../../../shared/trust/hash.ts';
import { MemoryBlobStore } from '../../../sim/world/memory-blob-store.ts';
import { MemoryDisk } from '../../../sim/world/memory-disk.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import {
  federable,
  heldOutBytes,
  once,
  packSmallParent,
  storeBundle,
  syntheticFiles,
} from '../../support/federated-world.ts';
import { silentLog } from '../../support/silent-ports.ts';
import {
  bootId,
  device,
  deviceApp,
  epochOf,
  filetype,
  plant,
  rolloutId,
} from '../../support/store-nouns.ts';

const director = seededSigner('director');
const parentPath = 'bundles/filetype@1.0.0' as TargetPath;
const heldOutSet = heldOutBytes('gate', 200);
const heldOut = digestOf(heldOutSet);
let folder: string;
let parent: PackedBundle;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-round-'));
  parent = await packSmallParent();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const custom = (bundle: PackedBundle) => ({
  ...{ name: filetype, version: bundle.config.version, releaseCounter: 1 },
  ...{ fleets: [], classMatch: {}, status: 'live' as const, federable },
});

/** Server rooms over the SQL store, with orders caught on their way to the devices. */
async function openServer() {
  const { store } = openMemoryStore(null);
  const blobs = new MemoryBlobStore();
  await storeBundle(blobs, parent);
  await blobs.put(heldOut, once(heldOutSet), { bytesMax: 1 << 30 });
  await store.transaction((tx) =>
    tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 0 }),
  );
  const orders = new Map<DeviceId, Uint8Array>();
  const broker = {
    isConnected: () => true,
    publish: async (address: { device: DeviceId }, { bytes }: { bytes: Uint8Array }) => {
      const frame = decodeFrame(bytes);
      if (frame.ok) orders.set(address.device, frame.value.body);
    },
  };
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + world.skewMs };
  const world = { skewMs: 0, published: [] as Digest[] };
  const random = cryptoRandom;
  const aggregator = new WorkerAggregator();
  const updates = new UpdateIntake({ store, blobs, clock, aggregator, wake: () => undefined });
  const publisher = {
    publishCandidate: async ({ digest }: { digest: Digest }) => {
      world.published.push(digest);
      return ok(undefined);
    },
  };
  const roads = {
    parentOf: async () => ({ path: parentPath, custom: custom(parent) }),
    nextRelease: async () => ({ version: '2.0.0', releaseCounter: 2 }),
    startRollout: async () => ok(rolloutId('a')),
    abortRollout: async () => undefined,
    rolloutEnd: async () => ({ completed: true, reason: 'completed' }),
  };
  const builder = new ProcessCandidateBuilder({ blobs, folder });
  const shop = new CandidateShop({ blobs, clock, log: silentLog, builder, publisher, roads });
  const sent = new RoundOrders({ store, clock, random, broker, director, boot: bootId('b') });
  const desk = new RoundDesk({ store, clock, random, log: silentLog, orders: sent, updates, shop });
  const phaseOf = async (round: RoundId) => {
    const row = await store.read((view) => view.rounds.get(plant, round));
    return roundStateOf(row!);
  };
  const close = async (): Promise<void> => {
    await store.close();
    await aggregator.stop();
  };
  return { store, blobs, orders, updates, desk, world, phaseOf, close };
}
type Server = Awaited<ReturnType<typeof openServer>>;

async function addDevice(server: Server, name: string) {
  const key = seededSigner(name);
  const publicKey = hexOf(key.publicKey);
  const keyDigest = sha256Hex(key.publicKey);
  const noun = device(name, { publicKey, keyDigest, online: true });
  await server.store.transaction(async (tx) => {
    await tx.devices.insert(noun);
    await tx.deviceApps.put(deviceApp(name, { active: parent.digest, refused: [] }));
  });
  const address = { fleet: plant, device: noun.device };
  const fetcher: Fetcher = {
    fetch: async ({ method, path, body }) => {
      if (method === 'PUT') {
        const round = path.split('/')[4] as RoundId;
        const taken = await server.updates.receiveUpdate(address, round, body!);
        return {
          status: taken.ok ? 204 : 422,
          body: once(new Uint8Array()),
          cancel: () => undefined,
        };
      }
      const stored = await server.blobs.read(path.split('/').at(-1) as Digest);
      return stored === undefined
        ? { status: 404, body: once(new Uint8Array()), cancel: () => undefined }
        : { status: 200, body: stored, cancel: () => undefined };
    },
  };
  const disk = new MemoryDisk();
  const budget = await ByteBudget.open({
    ...{ disk, clock: systemClock, path: 'state/bytes.json', bytesPerMonthMax: undefined },
  });
  const content = new ContentStore(disk);
  const download = { disk, fetcher, clock: systemClock, random: cryptoRandom, budget };
  const blobs = new TrainingStore({ content, download, bearer: () => undefined });
  const examples = await ExampleIndex.open({
    disk,
    path: 'state/examples.journal',
    salt: utf8(name),
  });
  const decoded = decodeBundle(parent.manifest, parent.blobs.get(configDigest(parent))!);
  if (!decoded.ok) throw new Error(decoded.error.message);
  const running = { digest: parent.digest, ...decoded.value, variant: parent.config.variants[0]! };
  const reports: Uint8Array[] = [];
  const runner = await RoundRunner.open({
    ...{ disk, path: 'state/rounds.journal', log: silentLog, fetcher, deviceKey: key, examples },
    ...{ blobs, runtime: createOnnxRuntime(), bearer: () => undefined },
    identity: () => ({ ...address, deviceKey: keyDigest, epoch: epochOf('e') }),
    directorKeys: async () => ({
      role: 'director',
      keys: [openVerifyingKey(director.publicKey)!],
      threshold: 1,
    }),
    trustedNowMs: () => systemClock.nowMs(),
    running: async () => running,
    send: async (envelope) => {
      reports.push(envelope);
    },
    refused: () => undefined,
    roundsPerDay: 4,
  });
  return { name, address, key, runner, examples, reports, blobs };
}
type SyntheticDevice = Awaited<ReturnType<typeof addDevice>>;

const configDigest = (bundle: PackedBundle): Digest =>
  (JSON.parse(Buffer.from(bundle.manifest).toString()) as { config: { digest: Digest } }).config
    .digest;

async function learn({ examples, name }: SyntheticDevice, count: number): Promise<void> {
  for (const file of syntheticFiles(`device/${name}`, count)) {
    const tensor = { type: 'uint8' as const, shape: [1, file.counts.length], bytes: file.counts };
    const input = { kind: 'tensors' as const, tensors: new Map([['counts', tensor]]) };
    await examples.offer(parent.config, input, file.label);
  }
}

const request = (goalDevices: number): RoundRequest => ({
  app: filetype,
  bundle: { path: parentPath, digest: parent.digest },
  training: { epochs: 4, batchRows: 8, learningRate: 2, goalDevices, weightSamplesMax: 40 },
  minimumShare: 0.5,
  selectionMs: 60_000,
  reportingMs: 600_000,
  heldOut,
});

async function begin(server: Server, goalDevices: number): Promise<RoundId> {
  const created = await server.desk.create(plant, { request: request(goalDevices), author: 'ada' });
  if (!created.ok) throw new Error(created.error.code);
  await server.desk.turn(plant);
  return created.value.plan.round;
}

/** A device that sends what it likes, properly signed. */
async function poison(server: Server, { address, key }: SyntheticDevice, value: number) {
  const order = orderOf(server.orders.get(address.device)!);
  const elements = parent.config.training!.parameters.map(({ shape }) =>
    shape.reduce((all, n) => all * n, 1),
  );
  const { round, epoch, bundle } = order;
  const tensors = elements.map((count) => new Float32Array(count).fill(value));
  const update = encodeUpdate({ round, bundle: bundle.digest, elements }, tensors);
  expect((await server.updates.receiveUpdate(address, round, update)).ok).toBe(true);
  const report = { ...address, epoch, round, bundle: bundle.digest, update: digestOf(update) };
  const facts = { samples: 1e9, lossBefore: 1, lossAfter: 0 };
  const payload = utf8(canonicalJson({ ...report, ...facts }));
  const taken = await server.updates.receiveReport(
    address,
    await signEnvelope('roundReport', payload, [key]),
  );
  return taken.ok ? 'counted' : taken.error.code;
}

function orderOf(envelope: Uint8Array): RoundOrder {
  const read = readEnvelope(envelope);
  if (!read.ok) throw new Error(read.error.code);
  return JSON.parse(textOf(bytesOfBase64(read.value.payload)!)!) as RoundOrder;
}

describe('a federated round', () => {
  it('with 12 devices, two of them hostile, ends in a candidate that is better than its parent', async () => {
    const server = await openServer();
    const devices: SyntheticDevice[] = [];
    for (let i = 0; i < 12; i += 1) devices.push(await addDevice(server, `dev-${10 + i}`));
    for (const one of devices) await learn(one, 40);
    const round = await begin(server, 9);
    expect(await server.phaseOf(round)).toMatchObject({ phase: 'reporting' });
    expect(server.orders.size).toBe(12);
    const [huge, nan, ...honest] = devices;
    expect(await poison(server, huge!, 1e6)).toBe('update-norm-exceeded');
    expect(await poison(server, nan!, Number.NaN)).toBe('update-not-finite');

    const late = honest.pop()!;
    for (const one of honest) {
      const taken = await one.runner.receive(server.orders.get(one.address.device)!);
      expect(taken).toEqual({ ok: true, value: undefined });
      expect((await server.phaseOf(round)).phase).toBe('reporting');
      const counted = await server.updates.receiveReport(one.address, one.reports[0]!);
      expect(counted).toEqual({ ok: true, value: undefined });
    }
    expect((await server.phaseOf(round)).phase).toBe('aggregated');
    // Over the goal: the upload is refused, and the device goes on with its life.
    expect(await late.runner.receive(server.orders.get(late.address.device)!)).toMatchObject({
      error: { code: 'fetch-failed' },
    });
    while (await server.desk.turn(plant));
    const state = await server.phaseOf(round);
    if (state.phase !== 'completed') throw new Error(JSON.stringify(state));
    expect(state).toMatchObject({
      counted: 9,
      refused: 2,
      candidate: { path: 'federated/plant/filetype@2.0.0' },
    });
    const { evidence, digest } = state.candidate;
    expect(evidence.candidate.correct).toBeGreaterThan(evidence.base.correct);
    expect(server.world.published).toEqual([digest]);
    expect((await server.desk.explain(plant, round))?.sentence).toContain('completed');

    await expectGate(server, honest[0]!, digest);
    await server.close();
  }, 120_000);

  it('when half of the devices drop out, ends by the minimum; when more do, is abandoned', async () => {
    const server = await openServer();
    const devices: SyntheticDevice[] = [];
    for (let i = 0; i < 8; i += 1) devices.push(await addDevice(server, `dev-${10 + i}`));
    const round = await begin(server, 6);
    for (const one of devices.slice(0, 4)) expect(await poison(server, one, 1e-4)).toBe('counted');
    server.world.skewMs = 700_000;
    expect((await server.phaseOf(round)).phase).toBe('reporting');
    await server.desk.turn(plant);
    expect(['aggregated', 'candidate-rejected', 'completed']).toContain(
      (await server.phaseOf(round)).phase,
    );

    const second = await begin(server, 6);
    for (const one of devices.slice(0, 3)) expect(await poison(server, one, 1e-4)).toBe('counted');
    expect(await poison(server, devices[0]!, 1e-4)).toBe('update-repeated');
    server.world.skewMs = 1_500_000;
    await server.desk.turn(plant);
    expect(await server.phaseOf(second)).toMatchObject({
      phase: 'abandoned',
      reason: 'round-too-few-updates',
      counted: 3,
    });
    await server.close();
  }, 120_000);

  it('when a device has too few examples or is over its budget, it stays out and says why', async () => {
    const server = await openServer();
    const devices: SyntheticDevice[] = [];
    for (let i = 0; i < 8; i += 1) devices.push(await addDevice(server, `dev-${10 + i}`));
    await begin(server, 6);
    const [first, second] = devices;
    await learn(first!, 4);
    expect(await first!.runner.receive(server.orders.get(first!.address.device)!)).toMatchObject({
      ok: false,
      error: { code: 'too-few-examples' },
    });
    await learn(second!, 20);
    const order = server.orders.get(second!.address.device)!;
    expect(await first!.runner.receive(order)).toMatchObject({
      error: { code: 'round-for-another' },
    });
    expect((await second!.runner.receive(order)).ok).toBe(true);
    expect((await second!.runner.receive(order)).ok).toBe(true);
    expect(second!.reports).toHaveLength(2);
    expect(second!.reports[1]).toEqual(second!.reports[0]);
    expect(second!.runner.ledger).toMatchObject([{ tries: 1 }]);
    await server.close();
  }, 120_000);
});

/** A device accepts the candidate under its offline-signed parent, and not under one that is signed otherwise. */
async function expectGate(
  server: Server,
  { blobs }: SyntheticDevice,
  digest: Digest,
): Promise<void> {
  const read = async (name: Digest): Promise<Uint8Array> => {
    const parts: Uint8Array[] = [];
    for await (const part of (await server.blobs.read(name))!) parts.push(part);
    return Buffer.concat(parts);
  };
  const manifest = await read(digest);
  const named = JSON.parse(Buffer.from(manifest).toString()) as { config: { digest: Digest } };
  const bundle = decodeBundle(manifest, await read(named.config.digest));
  if (!bundle.ok) throw new Error(bundle.error.message);
  const gate = (signed: { digest: Digest; federable: string[] }) =>
    new CandidateGate({
      ...{ blobs, fleet: plant },
      catalogue: {
        lookup: async (path) =>
          ok({
            ...{ path, digest: signed.digest, bytes: parent.manifest.length },
            custom: { ...custom(parent), federable: signed.federable },
            rollbackFloor: 0,
          }),
      },
    }).check({ digest, ...bundle.value });
  expect(await gate({ digest: parent.digest, federable })).toEqual({ ok: true, value: undefined });
  expect(await gate({ digest: parent.digest, federable: ['weights'] })).toMatchObject({
    error: { code: 'candidate-differs' },
  });
  expect(await gate({ digest: parent.digest, federable: [] })).toMatchObject({
    error: { code: 'not-federable' },
  });
  expect(await gate({ digest, federable })).toMatchObject({ error: { code: 'parent-unknown' } });
}
