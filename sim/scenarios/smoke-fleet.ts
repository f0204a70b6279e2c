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
import { SimClock, WorldTime } from '../world/sim-clock.ts';
import type { OriginHandler } from '../world/sim-fetcher.ts';
import { SimRandom } from '../world/sim-random.ts';
import { SimSessionTokens } from '../world/sim-session-tokens.ts';
import { TimeLoop } from '../world/time-loop.ts';
import { type SmokeBehaviour, smokeApp, smokeBundle, smokeModel } from './smoke-bundles.ts';
import { SmokeDevice } from './smoke-device.ts';
import { type SmokeMetadata, smokeOrigin, smokeRepository } from './smoke-origin.ts';

export const smokeFleet = 'smoke' as FleetId;
const claim = 'a-claim-for-the-smoke-world';
const audience = 'https://smoke';
const hourMs = 3_600_000;

/** One server and a few devices on twins alone; the runners and cores are the product's own. */
export class SmokeFleet {
  /** Paths that the origin does not answer any more. */
  isOriginCut = false;
  readonly time = new WorldTime();
  readonly loop = new TimeLoop(this.time);
  readonly metrics = new CountingMetrics();
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
  readonly #stop = new AbortController();
  #serving: Promise<void> = Promise.resolve();

  constructor(seed: string, behaviours: readonly SmokeBehaviour[], metadata: SmokeMetadata = {}) {
    this.#seed = seed;
    this.#metadata = metadata;
    this.#behaviours = behaviours;
    this.#random = new SimRandom(seed);
    this.bundles = behaviours.map(smokeBundle);
    this.repository = smokeRepository(this.bundles, seed, metadata);
    const clock = new SimClock(this.time, 'server');
    this.broker = new SimBroker({ clock, prng: createPrng(`${seed}/broker`) });
    const random = this.#random.fork('server');
    this.server = new FleetServer(
      {
        ...{ store: this.store, broker: this.broker, clock, random, metrics: this.metrics },
        zones: new PinnedZones(),
        keys: this.repository.keys,
        tokens: new SimSessionTokens({ clock, random: this.#random.fork('tokens') }),
        log: new RecordingLog(),
      },
      {
        ...{ audience, brokerUrl: 'mqtt://smoke', directorVersion: 1, jitterMs: 0 },
        boot: hexOf(random.bytes(16)) as BootId,
        cellKey: random.bytes(32),
        orderLifeMs: hourMs,
        revoked: () => new Set(),
      },
    );
  }

  /** The server is up and has enrolled `devices`, whose clocks may be as wrong as `skewMs` says. */
  async open(devices: number, skewMs: (place: number) => number = () => 0): Promise<void> {
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
    this.#serving = this.loop.track('server', this.server.run(this.#stop.signal));
    for (let i = 0; i < devices; i += 1) await this.#addDevice(`edge-${i}` as DeviceId, skewMs(i));
  }

  /** The offline keys publish the next version of the repository, in which these bundles are revoked. */
  revoke(digests: readonly Digest[]): void {
    const revoked = digests.map((digest) => {
      return { digest, reason: 'revoked', then: 'stop' as const };
    });
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
    const digest = this.devices.get(device)?.agent?.state.apps.get(smokeApp)?.running?.slot.digest;
    const at = this.bundles.findIndex((bundle) => bundle.digest === digest);
    return this.#behaviours[at]?.version ?? 'none';
  }

  async #addDevice(id: DeviceId, skewMs: number): Promise<void> {
    const answer = smokeOrigin(this.server, this.repository.files);
    const origin: OriginHandler = async (request) =>
      this.isOriginCut
        ? { status: 503, headers: new Map(), body: new Uint8Array() }
        : answer(request);
    const device = new SmokeDevice({
      ...{ id, origin, skewMs, claim, audience },
      ...{ time: this.time, loop: this.loop, broker: this.broker },
      fleet: smokeFleet,
      deviceKey: seededSigner(`${this.#seed}/${id}`),
      random: this.#random.fork(id),
      pinnedRoot: this.repository.root,
      modelOf: (source) => this.#modelOf(source),
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
