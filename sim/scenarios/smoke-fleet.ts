import { openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { FleetServer } from '../../fleet-server/runner/fleet-server.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import type { BootId, DeviceId, Digest, FleetId } from '../../shared/core/ids.ts';
import { createPrng } from '../../shared/core/prng.ts';
import type { ModelSource } from '../../shared/ports/inference-runtime.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import { CountingMetrics } from '../world/counting-metrics.ts';
import { PinnedZones } from '../world/pinned-zones.ts';
import { RecordingLog } from '../world/recording-log.ts';
import { seededSigner } from '../world/seeded-keys.ts';
import { SimBroker } from '../world/sim-broker.ts';
import { type ClockFaults, SimClock, soundClock, WorldTime } from '../world/sim-clock.ts';
import type { OriginHandler } from '../world/sim-fetcher.ts';
import { SimRandom } from '../world/sim-random.ts';
import { SimSessionTokens } from '../world/sim-session-tokens.ts';
import { TimeLoop } from '../world/time-loop.ts';
import type { LearningFleet } from './learning-fleet.ts';
import { type SmokeBehaviour, smokeApp, smokeBundle, smokeModel } from './smoke-bundles.ts';
import { SmokeDevice, type SmokeRhythm } from './smoke-device.ts';
import { type SmokeMetadata, smokeOrigin, smokeRepository } from './smoke-origin.ts';

export const smokeFleet = 'smoke' as FleetId;
const claim = 'a-claim-for-the-smoke-world';
const audience = 'https://smoke';
const hourMs = 3_600_000;

export interface SmokeOptions extends SmokeMetadata {
  /** With it the fleet holds federated rounds. */
  readonly learning?: LearningFleet;
  /** Window over which the server spreads its fleet; 0 when absent. */
  readonly jitterMs?: number;
  readonly rhythm?: SmokeRhythm;
}

/** One server and a few devices on twins alone; the runners and cores are the product's own. */
export class SmokeFleet {
  /** Paths that the origin does not answer any more. */
  isOriginCut = false;
  /** By path, what whoever has taken the origin over answers instead of it. */
  readonly stolen = new Map<string, Uint8Array>();
  readonly time = new WorldTime();
  readonly loop = new TimeLoop(this.time);
  readonly metrics = new CountingMetrics();
  /** The server's. */
  readonly log = new RecordingLog();
  readonly store = openMemoryStore().store;
  readonly server: FleetServer;
  readonly bundles;
  readonly devices = new Map<DeviceId, SmokeDevice>();
  readonly #behaviours: readonly SmokeBehaviour[];
  readonly #metadata: SmokeMetadata;
  readonly #seed: string;
  readonly #random: SimRandom;
  readonly repository;
  readonly broker: SimBroker;
  readonly #learning: LearningFleet | undefined;
  readonly #rhythm: SmokeRhythm | undefined;
  readonly #tokens: SimSessionTokens;
  readonly #clock: SimClock;
  readonly #stop = new AbortController();
  #serving: Promise<void> = Promise.resolve();

  constructor(seed: string, behaviours: readonly SmokeBehaviour[], options: SmokeOptions = {}) {
    const { learning, jitterMs = 0, rhythm, ...metadata } = options;
    this.#learning = learning;
    this.#rhythm = rhythm;
    this.#seed = seed;
    this.#metadata = metadata;
    this.#behaviours = behaviours;
    this.#random = new SimRandom(seed);
    const learnt = learning === undefined ? [] : [learning.devices.bundle];
    this.bundles = [...behaviours.map(smokeBundle), ...learnt];
    this.repository = smokeRepository(this.bundles, seed, metadata);
    const clock = new SimClock(this.time, 'server');
    this.#clock = clock;
    this.#tokens = new SimSessionTokens({ clock, random: this.#random.fork('tokens') });
    this.broker = new SimBroker({ clock, prng: createPrng(`${seed}/broker`) });
    const random = this.#random.fork('server');
    this.server = new FleetServer(
      {
        ...{ store: this.store, broker: this.broker, clock, random, metrics: this.metrics },
        zones: new PinnedZones(),
        keys: this.repository.keys,
        tokens: this.#tokens,
        log: this.log,
        ...(learning === undefined ? {} : { federation: learning.server.ports }),
      },
      {
        ...{ audience, brokerUrl: 'mqtt://smoke', directorVersion: 1, jitterMs },
        boot: hexOf(random.bytes(16)) as BootId,
        cellKey: random.bytes(32),
        orderLifeMs: hourMs,
        revoked: () => learning?.server.revoked ?? new Set(),
      },
    );
  }

  /** The server is up and has enrolled `devices`, whose clocks may be as wrong as `clockOf` says. */
  async open(
    devices: number,
    clockOf: (place: number) => ClockFaults = () => soundClock,
  ): Promise<void> {
    const nowMs = this.time.startWallMs;
    await this.loop.runUntil(
      this.store.transaction(async (tx) => {
        await tx.fleets.insert({ fleet: smokeFleet, title: 'Smoke', createdAtMs: nowMs });
        await tx.claims.insert({
          ...{ fleet: smokeFleet, idPattern: 'edge-*', usesLeft: devices, tags: {} },
          claimHash: sha256Hex(utf8(claim)),
          expiresAtMs: nowMs + hourMs,
          preAuthorized: true,
          createdAtMs: nowMs,
          createdBy: 'operator',
        });
      }),
    );
    await this.#openLearning();
    this.#serving = this.loop.track('server', this.server.run(this.#stop.signal));
    for (let i = 0; i < devices; i += 1) await this.#addDevice(`edge-${i}` as DeviceId, clockOf(i));
  }

  /** The offline keys publish the next version of the repository, in which these bundles are revoked. */
  revoke(digests: readonly Digest[], then: 'stop' | 'replace' = 'stop'): void {
    const revoked = digests.map((digest) => ({ digest, reason: 'revoked', then }));
    const next = smokeRepository(this.bundles, this.#seed, {
      ...this.#metadata,
      ...{ version: 2, revoked },
    });
    for (const [path, bytes] of next.files) this.repository.files.set(path, bytes);
  }

  /** Everybody ends what is under way. */
  async stop(): Promise<void> {
    for (const device of this.devices.values()) await device.end();
    this.#stop.abort();
    await this.loop.runUntil(this.#serving);
  }

  versionOf(device: DeviceId): string {
    const digest = this.runningOf(device);
    return this.bundles.find((bundle) => bundle.digest === digest)?.config.version ?? 'none';
  }

  /** What answers on the device. */
  runningOf(device: DeviceId): Digest | undefined {
    return this.devices.get(device)?.agent?.state.apps.get(smokeApp)?.running?.slot.digest;
  }

  async #openLearning(): Promise<void> {
    const learning = this.#learning;
    if (learning === undefined) return;
    const { store, server } = this;
    const world = { store, server, clock: this.#clock, tokens: this.#tokens };
    const random = this.#random.fork('learning');
    await this.loop.runUntil(learning.server.open({ ...world, random }, this.repository));
  }

  async #addDevice(id: DeviceId, clock: ClockFaults): Promise<void> {
    const fixed = smokeOrigin(this.server, this.repository.files);
    const answer = this.#learning?.server.origin(fixed) ?? fixed;
    const origin: OriginHandler = async (request) => {
      const headers = new Map<string, string>();
      if (this.isOriginCut) return { status: 503, headers, body: new Uint8Array() };
      const body = this.stolen.get(request.path);
      return body === undefined ? answer(request) : { status: 200, headers, body };
    };
    const learnt = this.#learning?.devices;
    const device = new SmokeDevice({
      ...{ id, origin, clock, claim, audience },
      ...(this.#rhythm === undefined ? {} : { rhythm: this.#rhythm }),
      ...{ time: this.time, loop: this.loop, broker: this.broker },
      fleet: smokeFleet,
      deviceKey: seededSigner(`${this.#seed}/${id}`),
      random: this.#random.fork(id),
      pinnedRoot: this.repository.root,
      modelOf: async (source, disk) =>
        learnt === undefined ? this.#modelOf(source) : learnt.modelOf(id, source, disk),
      ...(learnt === undefined ? {} : { inputs: learnt.inputsOf(id) }),
    });
    this.devices.set(id, device);
    await device.boot();
  }

  #modelOf(source: ModelSource) {
    const hex = source.kind === 'slot' ? source.graphPath.split('/').at(-2) : undefined;
    const at = this.bundles.findIndex(({ digest }) => digest === `sha256:${hex ?? ''}`);
    const behaviour = this.#behaviours[at];
    return behaviour === undefined ? undefined : smokeModel(behaviour);
  }
}
