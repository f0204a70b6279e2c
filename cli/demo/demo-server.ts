import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import fastify, { type FastifyInstance } from 'fastify';
import { FolderBlobStore } from '../../fleet-server/adapters/blobs/folder-blob-store.ts';
import { EmbeddedBroker } from '../../fleet-server/adapters/broker/embedded-broker.ts';
import { createOnlineKeys, FileKeyStore } from '../../fleet-server/adapters/keys/file-key-store.ts';
import { createJwtSessionTokens } from '../../fleet-server/adapters/session-token/jwt-session-tokens.ts';
import { openFileStore, type SqlStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { devicePlane } from '../../fleet-server/http/device-plane.ts';
import type { HttpApp } from '../../fleet-server/http/http-app.ts';
import { createProblemAnswer } from '../../fleet-server/http/problem-answer.ts';
import type { AuthorizeRegistry } from '../../fleet-server/http/registry-access.ts';
import { registerRegistryRoutes } from '../../fleet-server/http/registry-routes.ts';
import { registerTufRoutes } from '../../fleet-server/http/tuf-routes.ts';
import { ExplainDesk } from '../../fleet-server/runner/explain-desk.ts';
import { FleetServer } from '../../fleet-server/runner/fleet-server.ts';
import { ImageRepository } from '../../fleet-server/runner/image-repository.ts';
import { TokenDesk } from '../../fleet-server/runner/token-desk.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { PromMetrics } from '../../shared/adapters/metrics/prom-metrics.ts';
import { cryptoRandom as random } from '../../shared/adapters/random/crypto-random.ts';
import { IntlZones } from '../../shared/adapters/zones/intl-zones.ts';
import type { ErrorCode } from '../../shared/contracts/error-codes.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import type { BootId, FleetId } from '../../shared/core/ids.ts';
import { err, ok } from '../../shared/core/result.ts';
import type { KeyStore } from '../../shared/ports/key-store.ts';
import type { Log } from '../../shared/ports/log.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import { createOfflineKeys, type OfflineKeys, signFirstRoot } from './demo-keys.ts';

export interface DemoServer {
  readonly fleet: FleetId;
  readonly audience: string;
  readonly brokerUrl: string;
  readonly claim: string;
  readonly adminToken: string;
  readonly rootMetadata: Uint8Array;
  readonly offline: OfflineKeys;
  readonly online: KeyStore;
  readonly store: SqlStore;
  readonly broker: EmbeddedBroker;
  readonly runner: FleetServer;
  readonly explain: ExplainDesk;
  readonly blobFolder: string;
  close(): Promise<void>;
}

const host = '127.0.0.1';
const hourMs = 3_600_000;
const fleet = 'demo' as FleetId;

/** A whole fleet server on loopback, below `folder`: files, broker and HTTP as in production, keys made now. */
export async function startDemoServer(
  folder: string,
  options: { readonly devices: number; readonly log: Log },
): Promise<DemoServer> {
  const { log } = options;
  const blobFolder = join(folder, 'blobs');
  await mkdir(blobFolder, { recursive: true });
  const offline = createOfflineKeys();
  await createOnlineKeys({ folder: join(folder, 'keys') });
  const online = await FileKeyStore.open({ folder: join(folder, 'keys') });
  const rootMetadata = signFirstRoot(offline, online, clock.nowMs());
  const store = await openFileStore(join(folder, 'store.sqlite'));
  const disk = new NodeDisk({ root: blobFolder, onFsyncFailure: () => process.abort() });
  const blobs = await FolderBlobStore.open(disk, random);
  const repository = await ImageRepository.open(
    { store, blobs, keys: online, clock },
    { firstRoot: rootMetadata },
  );
  const [brokerPort, httpPort] = [await freePort(), await freePort()];
  const audience = `http://${host}:${httpPort}`;
  const brokerUrl = `mqtt://${host}:${brokerPort}`;
  const metrics = new PromMetrics();
  const listen = [{ host, port: brokerPort }];
  const broker = new EmbeddedBroker({ listen, clock, metrics, log });
  const tokens = createJwtSessionTokens({ seed: random.bytes(32), clock, random });
  const runner = new FleetServer(
    {
      ...{ store, broker, clock, random, keys: online, tokens, log, metrics },
      zones: new IntlZones(),
    },
    {
      boot: hexOf(random.bytes(16)) as BootId,
      ...{ audience, brokerUrl },
      cellKey: random.bytes(32),
      directorVersion: 1,
      orderLifeMs: hourMs,
      jitterMs: 0,
      revoked: () => repository.revoked,
    },
  );
  const explain = new ExplainDesk({
    ...{ store, clock, book: runner.book, revoked: () => repository.revoked },
    zones: new IntlZones(),
  });
  const access = new TokenDesk({ store, clock, random, sessionTokens: tokens });
  const claim = hexOf(randomBytes(16));
  await createFleet(store, { claim, devices: options.devices });
  const first = await access.createFirst();
  const app = await openFront({ repository, runner, access, log });
  await app.listen({ host, port: httpPort });
  const stop = new AbortController();
  const running = runner.run(stop.signal);
  const renewing = repository.keepFresh(stop.signal, () => undefined);
  return {
    ...{ fleet, audience, brokerUrl, claim, rootMetadata, offline, online, store, broker, runner },
    ...{ explain, blobFolder },
    adminToken: first?.token ?? '',
    close: async () => {
      stop.abort();
      await app.close();
      await Promise.all([running, renewing]);
      await store.close();
    },
  };
}

async function createFleet(
  store: SqlStore,
  { claim, devices }: { readonly claim: string; readonly devices: number },
): Promise<void> {
  const nowMs = clock.nowMs();
  await store.transaction(async (tx) => {
    await tx.fleets.insert({ fleet, title: 'Demo', createdAtMs: nowMs });
    await tx.claims.insert({
      fleet,
      claimHash: sha256Hex(utf8(claim)),
      idPattern: 'edge-*',
      usesLeft: devices,
      expiresAtMs: nowMs + hourMs,
      preAuthorized: true,
      tags: { site: 'demo' },
      createdAtMs: nowMs,
      createdBy: 'operator',
    });
  });
}

/** The doors that devices and publishers use; people's REST is not needed by a play in one process. */
async function openFront(rooms: {
  readonly repository: ImageRepository;
  readonly runner: FleetServer;
  readonly access: TokenDesk;
  readonly log: Log;
}): Promise<FastifyInstance> {
  const { repository, runner, access, log } = rooms;
  const app = fastify({ logger: false, forceCloseConnections: true });
  app.setErrorHandler(createProblemAnswer(log));
  const routes = { repository, authorize: authorizeBy(access) };
  await registerTufRoutes(app, routes);
  await registerRegistryRoutes(app, routes);
  await app.register(
    async (scope) => devicePlane(scope as unknown as HttpApp, { sessions: runner.sessions }),
    { prefix: '/device/v1' },
  );
  return app;
}

const authorizeBy =
  (access: TokenDesk): AuthorizeRegistry =>
  async (token, need) => {
    if (token === undefined) return err({ code: 'token-missing', message: 'no token was sent' });
    const checked = await access.check(token);
    if (!checked.ok) return err({ ...checked.error, code: checked.error.code as ErrorCode });
    const principal = checked.value;
    if (principal.kind === 'person') {
      return ok({ actor: principal.name, scope: { fleets: 'all', seesUploads: true } });
    }
    if (need === 'publish') {
      return err({ code: 'role-insufficient', message: 'devices publish nothing' });
    }
    const { address } = principal;
    const scope = { fleets: [address.fleet], seesUploads: false };
    return ok({ actor: `device:${address.device}`, scope });
  };

/** A port that was free a moment ago: devices are told the URL before the broker listens. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, host, () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
