import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import { inThreadAggregator } from '../../../fleet-server/adapters/aggregator/in-thread-aggregator.ts';
import { FolderBlobStore } from '../../../fleet-server/adapters/blobs/folder-blob-store.ts';
import { ProcessCandidateBuilder } from '../../../fleet-server/adapters/candidate-builder/process-candidate-builder.ts';
import type { SqlStore } from '../../../fleet-server/adapters/sql/sql-store.ts';
import { CandidateShop } from '../../../fleet-server/runner/federation/candidate-shop.ts';
import { readRound } from '../../../fleet-server/runner/federation/round-book.ts';
import { RoundDesk } from '../../../fleet-server/runner/federation/round-desk.ts';
import { RoundOrders } from '../../../fleet-server/runner/federation/round-orders.ts';
import { UpdateIntake } from '../../../fleet-server/runner/federation/update-intake.ts';
import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import { NodeDisk } from '../../../shared/adapters/disk/node-disk.ts';
import type { RoundRequest } from '../../../shared/contracts/federation.ts';
import { hexOf } from '../../../shared/core/bytes.ts';
import type { DeviceId, RoundId, TargetPath } from '../../../shared/core/ids.ts';
import { ok } from '../../../shared/core/result.ts';
import { digestOf, sha256Hex } from '../../../shared/trust/hash.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { SimRandom } from '../../../sim/world/sim-random.ts';
import {
  federable,
  heldOutBytes,
  once,
  packSmallParent,
  storeBundle,
} from '../../support/federated-world.ts';
import { silentLog } from '../../support/silent-ports.ts';
import {
  bootId,
  device,
  deviceApp,
  filetype,
  plant,
  rolloutId,
} from '../../support/store-nouns.ts';
import type { Scene } from './bad-case.ts';
import { filesBelow, hashOfLines, openWatchedStore } from './state-hash.ts';

const parentPath = 'bundles/filetype@1.0.0' as TargetPath;
const heldOut = heldOutBytes('gate', 40);
export const nameOf = (n: number): DeviceId => `dev-${10 + n}` as DeviceId;

/** The server's rooms of a federated round in which eight devices were invited. */
export class RoundScene implements Scene {
  readonly store: SqlStore;
  readonly blobs: FolderBlobStore;
  readonly updates: UpdateIntake;
  readonly desk: RoundDesk;
  readonly parent: PackedBundle;
  /** Whether the parent is signed as federable. */
  isFederable = true;
  round!: RoundId;
  readonly #rows: () => Promise<readonly string[]>;
  readonly #folder: string;

  private constructor(parts: {
    readonly watched: ReturnType<typeof openWatchedStore>;
    readonly blobs: FolderBlobStore;
    readonly parent: PackedBundle;
    readonly folder: string;
  }) {
    const { watched, blobs, parent, folder } = parts;
    const { store } = watched;
    this.store = store;
    this.blobs = blobs;
    this.parent = parent;
    this.#rows = watched.rows;
    this.#folder = folder;
    const aggregator = inThreadAggregator;
    this.updates = new UpdateIntake({ store, blobs, clock, aggregator, wake: () => undefined });
    const roads = {
      parentOf: async () => ({
        path: parentPath,
        custom: {
          ...{ name: filetype, version: '1.0.0', releaseCounter: 1, fleets: [], classMatch: {} },
          ...{ status: 'live' as const, federable: this.isFederable ? federable : [] },
        },
      }),
      nextRelease: async () => ({ version: '2.0.0', releaseCounter: 2 }),
      startRollout: async () => ok(rolloutId('a')),
      abortRollout: async () => undefined,
      rolloutEnd: async () => undefined,
    };
    const publisher = { publishCandidate: async () => ok(undefined) };
    const builder = new ProcessCandidateBuilder({ blobs, folder });
    const shop = new CandidateShop({ blobs, clock, log: silentLog, builder, publisher, roads });
    const random = new SimRandom('rounds');
    const broker = { isConnected: () => false, publish: async () => undefined };
    const director = seededSigner('director');
    const orders = new RoundOrders({ store, clock, random, broker, director, boot: bootId('b') });
    const { updates } = this;
    this.desk = new RoundDesk({ store, clock, random, log: silentLog, orders, updates, shop });
  }

  static async open(): Promise<RoundScene> {
    const folder = await mkdtemp(join(tmpdir(), 'skein-bad-round-'));
    const disk = new NodeDisk({ root: folder, onFsyncFailure: () => undefined });
    const blobs = await FolderBlobStore.open(disk, new SimRandom('blobs'));
    const parent = await packSmallParent();
    await storeBundle(blobs, parent);
    await blobs.put(digestOf(heldOut), once(heldOut), { bytesMax: 1 << 30 });
    const scene = new RoundScene({ watched: openWatchedStore(), blobs, parent, folder });
    await scene.#begin();
    return scene;
  }

  request(change: Partial<RoundRequest> = {}): RoundRequest {
    return {
      app: filetype,
      bundle: { path: parentPath, digest: this.parent.digest },
      training: { epochs: 4, batchRows: 8, learningRate: 2, goalDevices: 6, weightSamplesMax: 40 },
      ...{ minimumShare: 0.5, selectionMs: 60_000, reportingMs: 600_000 },
      heldOut: digestOf(heldOut),
      ...change,
    };
  }

  /** Devices `dev-10` to `dev-17` are invited; `dev-18` came later. */
  async #begin(): Promise<void> {
    const { store } = this;
    await store.transaction((tx) =>
      tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 0 }),
    );
    for (let n = 0; n < 8; n += 1) await this.#add(nameOf(n));
    const created = await this.desk.create(plant, { request: this.request(), author: 'ada' });
    if (!created.ok) throw new Error(created.error.message);
    this.round = created.value.plan.round;
    await this.desk.turn(plant);
    const state = await store.read((view) => readRound(view, plant, this.round));
    if (state?.phase !== 'reporting') throw new Error(`the round is ${state?.phase ?? 'unknown'}`);
    await this.#add(nameOf(8));
  }

  async #add(name: DeviceId): Promise<void> {
    const { publicKey } = seededSigner(name);
    const keys = { publicKey: hexOf(publicKey), keyDigest: sha256Hex(publicKey), online: true };
    await this.store.transaction(async (tx) => {
      await tx.devices.insert(device(name, keys));
      await tx.deviceApps.put(deviceApp(name, { active: this.parent.digest, refused: [] }));
    });
  }

  async state(): Promise<string> {
    return hashOfLines(await this.#rows(), await filesBelow(this.#folder));
  }

  async close(): Promise<void> {
    await this.store.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
