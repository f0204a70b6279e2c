import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentMemory } from '../../../agent/runner/agent-memory.ts';
import { ByteBudget } from '../../../agent/runner/byte-budget.ts';
import { ContentStore } from '../../../agent/runner/content-store.ts';
import { CandidateGate } from '../../../agent/runner/federation/candidate-gate.ts';
import { TrainingStore } from '../../../agent/runner/federation/training-store.ts';
import { Installer } from '../../../agent/runner/installer.ts';
import { ModelHost } from '../../../agent/runner/model-host.ts';
import { OrderDesk } from '../../../agent/runner/order-desk.ts';
import { RevocationWatch } from '../../../agent/runner/revocation-watch.ts';
import { SlotStore } from '../../../agent/runner/slot-store.ts';
import { StandInDesk } from '../../../agent/runner/stand-in-desk.ts';
import { StoreKeeper } from '../../../agent/runner/store-keeper.ts';
import { TrustedCatalogue } from '../../../agent/runner/trusted-catalogue.ts';
import { UpdateRunner } from '../../../agent/runner/update-runner.ts';
import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import { NodeDisk } from '../../../shared/adapters/disk/node-disk.ts';
import type { OnnxAllowance } from '../../../shared/codec/onnx-allowance.ts';
import type { AppName, Digest, Epoch, TargetPath } from '../../../shared/core/ids.ts';
import {
  createMemoryRuntime,
  memoryRuntimeVersion,
} from '../../../shared/runtime/memory/memory-runtime.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';
import { RecordingLog } from '../../../sim/world/recording-log.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { type OriginResponse, SimFetcher } from '../../../sim/world/sim-fetcher.ts';
import { SimRandom } from '../../../sim/world/sim-random.ts';
import { silentMetrics } from '../../support/silent-ports.ts';
import { deviceId, epochOf, plant } from '../../support/store-nouns.ts';
import { day0Ms } from '../../support/tuf-repository.ts';
import type { Scene } from './bad-case.ts';
import { SignedOrigin } from './signed-origin.ts';
import { filesBelow, hashOfLines } from './state-hash.ts';

const facts = {
  ...{ providers: 'cpu', 'cpu.arch': 'arm64' },
  'runtime.version': memoryRuntimeVersion,
};
const key = seededSigner('edge-1');

/** Who the device is; it was enrolled and has verified the director's keys. */
export const identity = {
  ...{ fleet: plant, device: deviceId('edge-1'), epoch: epochOf('e') },
  deviceKey: sha256Hex(key.publicKey),
};

/** The rooms of a device that take input, over a disk of their own and an origin that may be bad in any way. */
export class DeviceScene implements Scene {
  readonly origin = new SignedOrigin();
  readonly log = new RecordingLog();
  /** What the network answers for a path instead of the origin. */
  readonly answers = new Map<string, OriginResponse>();
  readonly folder: string;
  readonly catalogue: TrustedCatalogue;
  readonly candidates: CandidateGate;
  readonly installer: Installer;
  readonly slots: SlotStore;
  updates!: UpdateRunner;
  orders!: OrderDesk;

  private constructor(
    folder: string,
    disk: NodeDisk,
    { budget, own }: { readonly budget: ByteBudget; readonly own: OwnRules },
  ) {
    this.folder = folder;
    const fetcher = new SimFetcher(async ({ path }) => this.#answer(path), clock);
    const pinnedRoot = this.origin.operator.firstRoot;
    this.catalogue = new TrustedCatalogue({ disk, fetcher, pinnedRoot });
    const content = new ContentStore(disk);
    this.slots = new SlotStore(disk, content);
    const download = { disk, fetcher, clock, random: new SimRandom('device'), budget };
    const bearer = (): undefined => undefined;
    const { agentVersion = '1.0.0', allow = {} } = own;
    const blobs = new TrainingStore({ content, download, bearer, allow });
    const { catalogue, slots } = this;
    this.candidates = new CandidateGate({ catalogue, blobs, fleet: plant });
    this.installer = new Installer({
      ...{ catalogue, content, slots, download, bearer, agentVersion, allow },
      ...{ candidates: this.candidates, facts: () => facts, fleet: plant },
    });
    this.#openUpdates = async () => {
      const runtime = createMemoryRuntime({
        ...{ clock, providers: ['cpu'], modelOf: async () => undefined },
      });
      const { installer, log } = this;
      const models = new ModelHost({
        ...{ runtime, installer, slots, content, clock, memoryBytesMax: 1e9, threads: 1 },
      });
      const of = { updates: () => this.updates };
      const store = new StoreKeeper({ disk, clock, log, content, slots, ...of });
      const revocations = new RevocationWatch({ catalogue, installer, ...of });
      this.updates = await UpdateRunner.open({
        ...{ disk, clock, random: new SimRandom('updates'), log, installer, models, store },
        metrics: silentMetrics,
        learnRevocations: () => revocations.learn(),
        ...{ trustedNowMs: () => day0Ms, modelChanged: () => undefined },
        stateChanged: () => undefined,
        stale: () => new Set(),
        standIns: new StandInDesk({ clock, installer }),
        spread: { placeMs: 0 },
      });
      const memory = await AgentMemory.open(disk, day0Ms);
      const { updates } = this;
      this.orders = new OrderDesk({
        ...{ log: this.log, memory, catalogue, updates, identity: () => identity },
        spread: { takePlace: () => undefined },
      });
    };
  }

  readonly #openUpdates: () => Promise<void>;

  /** `isNew`: it has verified no metadata yet. */
  static async open({ isNew = false, ...own }: SceneOptions = {}): Promise<DeviceScene> {
    const folder = await mkdtemp(join(tmpdir(), 'skein-bad-device-'));
    const disk = new NodeDisk({ root: folder, onFsyncFailure: () => undefined });
    const path = 'state/bytes.json';
    const budget = await ByteBudget.open({ disk, clock, path, bytesPerMonthMax: undefined });
    const scene = new DeviceScene(folder, disk, { budget, own });
    await scene.#openUpdates();
    if (!isNew) await scene.offer();
    return scene;
  }

  /** The operator signs what stands in the draft, and the device learns it. */
  async offer(): Promise<void> {
    await this.origin.publish();
    const refreshed = await this.catalogue.refresh({ kind: 'trusted', nowMs: day0Ms });
    if (!refreshed.ok) throw new Error(refreshed.error.message);
  }

  /** Installs as an order would ask for it, up to the slot. */
  async install(bundle: PackedBundle, change: Partial<OrderedTarget> = {}): Promise<string> {
    const { name, version } = bundle.config;
    const target = {
      ...{ app: name, path: `bundles/${name}@${version}` as TargetPath },
      ...{ digest: bundle.digest, retry: 0, rollout: undefined, directorVersion: 1, generation: 1 },
      ...change,
    };
    const scope = { trustedNowMs: day0Ms, revoked: new Set<Digest>() };
    const fetched = await this.installer.fetch(target, scope);
    if (!fetched.ok) return fetched.error.code;
    const verified = await this.installer.verify(target);
    if (!verified.ok) return verified.error.code;
    const staged = await this.installer.stage(target);
    return staged.ok ? 'ok' : staged.error.code;
  }

  /** The code under which the newest order was refused; the server hears of it in the device's next report. */
  async refusedOrder(envelope: Uint8Array, kind: 'desired' | 'command' = 'desired') {
    return (await this.orders.receive(kind, envelope)) ?? 'ok';
  }

  /**
   * Everything on the disk, but for the month's byte count, and for blobs and parts of blobs that are what their signed
   * name says: a cache that the garbage collector empties, which makes nothing run.
   */
  async state(): Promise<string> {
    const lines = await filesBelow(this.folder, (path) => path === 'state/bytes.json');
    const cached = /^blobs\/sha256\/([0-9a-f]{64}) \1$|^downloads\//;
    return hashOfLines(lines.filter((line) => !cached.test(line)));
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  async #answer(path: string): Promise<OriginResponse> {
    const bytes = this.origin.files.get(path);
    return (
      this.answers.get(path) ?? {
        status: bytes === undefined ? 404 : 200,
        headers: new Map(),
        body: bytes ?? new Uint8Array(),
      }
    );
  }
}

/** What the owner allows, and how old the agent is. */
interface OwnRules {
  readonly allow?: OnnxAllowance;
  readonly agentVersion?: string;
}

interface SceneOptions extends OwnRules {
  readonly isNew?: boolean;
}

interface OrderedTarget {
  readonly app: AppName;
  readonly path: TargetPath;
  readonly digest: Digest;
}

export const foreignEpoch = 'f'.repeat(32) as Epoch;
