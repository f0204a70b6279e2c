import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type PackedBundle, packBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { EmbeddedBroker } from '../../fleet-server/adapters/broker/embedded-broker.ts';
import { openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import type { Store } from '../../fleet-server/ports/store.ts';
import { FleetServer } from '../../fleet-server/runner/fleet-server.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { cryptoRandom as random } from '../../shared/adapters/random/crypto-random.ts';
import { base64Of, hexOf, utf8 } from '../../shared/core/bytes.ts';
import type { AppName, BootId, FleetId, RolloutId, TargetPath } from '../../shared/core/ids.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import { tinyModel } from '../../shared/runtime/graph-bytes.ts';
import { digestOf, sha256Hex } from '../../shared/trust/hash.ts';
import { smokeOrigin, smokeRepository } from '../../sim/scenarios/smoke-origin.ts';
import { PinnedZones } from '../../sim/world/pinned-zones.ts';
import type { OriginHandler } from '../../sim/world/sim-fetcher.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';
import { SimSessionTokens } from '../../sim/world/sim-session-tokens.ts';
import { freePort } from './free-ports.ts';
import { silentLog, silentMetrics } from './silent-ports.ts';

export const worldFleet = 'plant' as FleetId;
export const doubler = 'doubler' as AppName;
export const worldClaim = 'a-claim-for-the-device-world';

/** `y = 2 x` over floats: a real bundle around a real graph, proven after a few inferences. */
export function doublerBundle(
  version: string,
  graph: Uint8Array = tinyModel(),
  own: Partial<PackedBundle['config']['limits']> = {},
): PackedBundle {
  const vector = (name: string, values: readonly number[]) => ({
    ...{ name, type: 'float32' as const, shape: [values.length] },
    base64: base64Of(new Uint8Array(Float32Array.from(values).buffer)),
  });
  const tensor = (name: string) => ({
    ...{ name, type: 'float32' as const, shape: ['n'], meaning: 'numbers' },
  });
  return packBundle({
    name: doubler,
    version,
    inputs: [tensor('x')],
    outputs: [tensor('y')],
    preprocessing: { kind: 'none' },
    postprocessing: { kind: 'none' },
    variants: [
      {
        id: 'fp32',
        model: { graph, tensors: new Map() },
        constraints: { provider: 'cpu', cpuFeatures: [], memoryBytesMax: 2 ** 29 },
        session: { threads: 1, graphOptimization: 'all' },
        evidence: {
          ...{ agreement: 1, bytes: graph.length, latencyP50Ms: 1 },
          ...{ machineClass: 'test', runtime: 'none' },
        },
      },
    ],
    golden: {
      vectors: { vectors: [{ inputs: [vector('x', [1, 2])], outputs: [vector('y', [2, 4])] }] },
      tolerance: [{ provider: 'cpu', absolute: 0.001 }],
    },
    profile: { n: 0, monitored: [] },
    probation: { inferences: 5, durationMs: 200 },
    limits: { memoryBytesMax: 2 ** 29, loadTimeoutMs: 30_000, runTimeoutMs: 2_000, ...own },
    guards: { errorShareMax: 0.5, latencyP95MsMax: 10_000, confidenceMin: 0, inferencesMin: 50 },
    stale: { maxDays: 365, then: 'keep' },
    minAgent: '0.1.0',
    lineage: { createdAtMs: 0 },
  });
}

/** A fleet server as a device sees it: real runners, real broker, real sockets; its repository is fixed. */
export class DeviceWorld {
  readonly server: FleetServer;
  readonly store: Store;
  readonly origin: string;
  readonly enrolment: string;
  readonly firstRoot: Uint8Array;
  readonly brokerPort: number;
  readonly #http: Server;
  readonly #broker: EmbeddedBroker;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  private constructor(parts: {
    readonly server: FleetServer;
    readonly store: Store;
    readonly http: Server;
    readonly broker: EmbeddedBroker;
    readonly root: Uint8Array;
    readonly brokerPort: number;
  }) {
    this.server = parts.server;
    this.store = parts.store;
    this.#http = parts.http;
    this.#broker = parts.broker;
    this.firstRoot = parts.root;
    this.brokerPort = parts.brokerPort;
    this.origin = originOf(parts.http);
    const { host } = new URL(this.origin);
    this.enrolment = `skein+http://${host}/#claim=${worldClaim}&root=${digestOf(parts.root)}`;
    this.#running = parts.server.run(this.#stop.signal);
  }

  static async open(
    bundles: readonly PackedBundle[],
    metrics: Metrics = silentMetrics,
  ): Promise<DeviceWorld> {
    const door: { origin?: OriginHandler } = {};
    const http = await listen((request) => {
      if (door.origin === undefined) throw new Error('the world is not open yet');
      return door.origin(request);
    });
    const port = await freePort();
    const log = silentLog;
    const broker = new EmbeddedBroker({
      ...{ clock, log, metrics: silentMetrics },
      listen: [{ host: '127.0.0.1', port }],
    });
    const { keys, root, files } = smokeRepository(bundles, 'device-world');
    files.set('/tuf/1.root.json', root);
    const { store } = openMemoryStore();
    const tokens = new SimSessionTokens({ clock, random: new SimRandom('tokens') });
    const server = new FleetServer(
      {
        ...{ store, broker, clock, random, keys, tokens, log, metrics },
        zones: new PinnedZones(),
      },
      {
        boot: hexOf(random.bytes(16)) as BootId,
        audience: originOf(http),
        brokerUrl: `mqtt://127.0.0.1:${port}`,
        cellKey: random.bytes(32),
        ...{ directorVersion: 1, orderLifeMs: 3_600_000, jitterMs: 0 },
        revoked: () => new Set(),
      },
    );
    await store.transaction(async (tx) => {
      await tx.fleets.insert({ fleet: worldFleet, title: 'Plant', createdAtMs: clock.nowMs() });
      await tx.claims.insert({
        ...{
          fleet: worldFleet,
          claimHash: sha256Hex(utf8(worldClaim)),
          idPattern: '*',
          usesLeft: 9,
        },
        ...{ expiresAtMs: clock.nowMs() + 3_600_000, preAuthorized: true, tags: {} },
        ...{ createdAtMs: clock.nowMs(), createdBy: 'operator' },
      });
    });
    door.origin = smokeOrigin(server, files);
    return new DeviceWorld({ server, store, http, broker, root, brokerPort: port });
  }

  /** Everything at once: the whole fleet in one wave, without waiting for a verdict. */
  async rollOut(bundle: PackedBundle): Promise<RolloutId> {
    const path = `bundles/${bundle.config.name}@${bundle.config.version}` as TargetPath;
    const created = await this.server.rollouts.create(worldFleet, {
      author: 'operator',
      request: {
        ...{ app: doubler, path, digest: bundle.digest, target: 'state = accepted' },
        ...{ waves: [{ percent: 100 }], soakMs: 60_000, deadlineMs: 60_000, reachMs: 60_000 },
        ...{ holdback: { count: 0 }, supersede: true },
      },
    });
    if (!created.ok) throw new Error(created.error.message);
    const { rollout } = created.value;
    const by = { kind: 'person', name: 'operator' } as const;
    const event = { type: 'submitted', by } as const;
    const at = { fleet: worldFleet, rollout };
    const submitted = await this.server.rollouts.order(at, { event, version: undefined });
    if (!submitted.ok) throw new Error(submitted.error.code);
    this.server.wake();
    return rollout;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#broker.close().catch(() => undefined);
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}

const originOf = (http: Server): string =>
  `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

async function listen(handler: OriginHandler): Promise<Server> {
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const method = (request.method ?? 'GET') as 'GET';
      const body = new Uint8Array(Buffer.concat(chunks));
      handler({ method, path: request.url ?? '/', headers: new Map(), body })
        .then((answer) => {
          response.writeHead(answer.status, { 'content-type': 'application/json' });
          response.end(answer.body instanceof Uint8Array ? answer.body : '');
        })
        .catch(() => response.destroy());
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return http;
}
