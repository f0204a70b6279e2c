import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { openMemoryStore, type SqlStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import type { Role } from '../../fleet-server/core/model/access.ts';
import { createHttp, type HttpDeps } from '../../fleet-server/http/create-http.ts';
import { FleetServer } from '../../fleet-server/runner/fleet-server.ts';
import { createFrontDesks, type FrontDesks } from '../../fleet-server/runner/front-desks.ts';
import { findMissing } from '../../fleet-server/runner/readiness.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import type { BootId, FleetId } from '../../shared/core/ids.ts';
import { createPrng } from '../../shared/core/prng.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import { PinnedZones } from '../../sim/world/pinned-zones.ts';
import { RecordingLog } from '../../sim/world/recording-log.ts';
import { SeededKeys } from '../../sim/world/seeded-keys.ts';
import { SimBroker } from '../../sim/world/sim-broker.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';
import { SimSessionTokens } from '../../sim/world/sim-session-tokens.ts';
import { silentMetrics } from './silent-ports.ts';
import { harbour, plant } from './store-nouns.ts';

export const testOrigin = 'http://127.0.0.1:8080';

/** What a test may bring of its own: a store it can look into, metrics it reads, further routes. */
export interface HttpWorldParts {
  readonly store?: SqlStore;
  readonly metrics?: Metrics;
  readonly planes?: (world: HttpWorld) => HttpDeps['planes'];
}

/** The real runners behind the real HTTP app, over a store in memory and the broker's twin; nothing listens. */
export class HttpWorld {
  readonly time = new WorldTime();
  readonly clock = new SimClock(this.time, 'server');
  readonly store: SqlStore;
  readonly broker = new SimBroker({ clock: this.clock, prng: createPrng('http/broker') });
  readonly log = new RecordingLog();
  readonly random = new SimRandom('http');
  readonly tokens: SimSessionTokens;
  readonly server: FleetServer;
  readonly desks: FrontDesks;
  readonly closing = new AbortController();
  app!: FastifyInstance;
  /** Sees all fleets. */
  admin = '';

  constructor({ store = openMemoryStore().store, metrics = silentMetrics }: HttpWorldParts = {}) {
    this.store = store;
    const { clock, broker, log, random } = this;
    this.tokens = new SimSessionTokens({ clock, random: random.fork('tokens') });
    const { tokens } = this;
    const ports = {
      ...{ store, broker, clock, random, tokens, log, metrics },
      zones: new PinnedZones(),
      keys: new SeededKeys('http'),
    };
    const revoked = () => new Set<never>();
    this.server = new FleetServer(ports, {
      ...{ audience: testOrigin, brokerUrl: 'mqtt://127.0.0.1:1883', directorVersion: 1 },
      ...{ jitterMs: 0, orderLifeMs: 3_600_000, revoked },
      boot: hexOf(random.bytes(16)) as BootId,
      cellKey: random.bytes(32),
    });
    this.desks = createFrontDesks(this.server, ports, { revoked });
  }

  static async open(parts: HttpWorldParts = {}): Promise<HttpWorld> {
    const world = new HttpWorld(parts);
    await world.desks.fleets.create('skein', { fleet: plant, title: 'Plant' });
    await world.desks.fleets.create('skein', { fleet: harbour, title: 'Harbour' });
    world.admin = (await world.desks.access.createFirst())?.token ?? '';
    world.app = await createHttp({
      desks: world.desks,
      log: world.log,
      metrics: parts.metrics ?? silentMetrics,
      random: new SimRandom('http/requests'),
      hosts: ['127.0.0.1', 'localhost'],
      health: {
        notReady: () =>
          findMissing({
            ...{ store: world.store, broker: world.broker, closing: world.closing.signal },
          }),
        exposition: async () => ({ contentType: 'text/plain', text: '# none\n' }),
      },
      enrolment: { origin: testOrigin, rootDigest: async () => `sha256:${'a'.repeat(64)}` },
      closing: world.closing.signal,
      planes: parts.planes?.(world) ?? [],
    });
    return world;
  }

  async token(
    role: Role,
    fleets: readonly FleetId[] = [plant],
    name: string = role,
  ): Promise<string> {
    const by = { kind: 'person', name: 'test', role: 'admin', fleets: [] } as const;
    const issued = await this.desks.access.create(by, { name, role, fleets, lifeMs: null });
    if (!issued.ok) throw new Error(issued.error.message);
    return issued.value.token;
  }

  /** As that token; `undefined` sends none. */
  async ask(token: string | undefined, request: InjectOptions): Promise<LightMyRequestResponse> {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return this.app.inject({ ...request, headers: { ...authorization, ...request.headers } });
  }

  async get(token: string, url: string): Promise<LightMyRequestResponse> {
    return this.ask(token, { method: 'GET', url: `/api/v1${url}` });
  }

  async post(
    token: string,
    url: string,
    options: { readonly body?: object; readonly headers?: Record<string, string> } = {},
  ): Promise<LightMyRequestResponse> {
    const { body = {}, headers = {} } = options;
    return this.ask(token, { method: 'POST', url: `/api/v1${url}`, payload: body, headers });
  }

  /** Lets so much time pass, with everything that waits for it. */
  async pass(ms: number): Promise<void> {
    let isOver = false;
    this.time.schedule(this.time.nowMs + ms, 'pass', () => {
      isOver = true;
    });
    const isStillOn = (): boolean => !isOver;
    while (isStillOn()) {
      await new Promise((resolve) => setImmediate(resolve));
      this.time.hop();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.app.close();
    await this.store.close();
  }
}

export const codeIn = (response: LightMyRequestResponse): string =>
  `${response.statusCode} ${response.json<{ readonly code?: string }>().code ?? 'none'}`;

/** Fields of the answers that tests look at, each of some route; a field that is not there is a failed test. */
export interface AnswerBody {
  readonly items: readonly {
    readonly device: string;
    readonly action: string;
    readonly rollout: string;
    readonly kind: string;
  }[];
  readonly nextCursor: string | undefined;
  readonly detail: string;
  readonly errors: readonly { readonly pointer: string; readonly message: string }[];
  readonly requestId: string;
  readonly filter: string;
  readonly tree: { readonly kind: string };
  readonly count: number;
  readonly samples: readonly unknown[];
  readonly facts: Readonly<Record<string, unknown>>;
  readonly state: string;
  readonly claim: string;
  readonly enrolment: string;
  readonly claimHash: string;
  readonly token: string;
  readonly rollout: string;
  readonly status: string;
  readonly binding: {
    readonly digest: string;
    readonly policyHash: string;
    readonly target: string;
  };
  readonly sentence: string;
  readonly because: readonly unknown[];
  readonly devices: readonly unknown[];
  readonly apps: readonly { readonly sentence: string }[];
  readonly nonce: string;
  readonly brokerUrl: string;
  readonly brokerToken: string;
  readonly accessToken: string;
}
