import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { WorkerAggregator } from '../../fleet-server/adapters/aggregator/worker-aggregator.ts';
import { FolderBlobStore } from '../../fleet-server/adapters/blobs/folder-blob-store.ts';
import { EmbeddedBroker } from '../../fleet-server/adapters/broker/embedded-broker.ts';
import { ProcessCandidateBuilder } from '../../fleet-server/adapters/candidate-builder/process-candidate-builder.ts';
import { createOnlineKeys, FileKeyStore } from '../../fleet-server/adapters/keys/file-key-store.ts';
import { createJwtSessionTokens } from '../../fleet-server/adapters/session-token/jwt-session-tokens.ts';
import { openFileStore, type SqlStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { createAuthorizeRegistry } from '../../fleet-server/http/authorize-registry.ts';
import { createHttp } from '../../fleet-server/http/create-http.ts';
import { registerRegistryRoutes } from '../../fleet-server/http/registry-routes.ts';
import { registerTufRoutes } from '../../fleet-server/http/tuf-routes.ts';
import type { BlobStore } from '../../fleet-server/ports/blob-store.ts';
import { recordedBlobs } from '../../fleet-server/runner/federation/recorded-blobs.ts';
import { FleetServer, type FleetServerPorts } from '../../fleet-server/runner/fleet-server.ts';
import { createFrontDesks, type FrontDesks } from '../../fleet-server/runner/front-desks.ts';
import { ImageRepository } from '../../fleet-server/runner/image-repository.ts';
import { findMissing } from '../../fleet-server/runner/readiness.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { PromMetrics } from '../../shared/adapters/metrics/prom-metrics.ts';
import { cryptoRandom as random } from '../../shared/adapters/random/crypto-random.ts';
import { IntlZones } from '../../shared/adapters/zones/intl-zones.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import type { BootId, Digest, FleetId } from '../../shared/core/ids.ts';
import type { KeyStore } from '../../shared/ports/key-store.ts';
import type { Log } from '../../shared/ports/log.ts';
import { digestOf, sha256Hex } from '../../shared/trust/hash.ts';
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
  readonly desks: FrontDesks;
  readonly blobs: BlobStore;
  readonly blobFolder: string;
  close(): Promise<void>;
}

const host = '127.0.0.1';
const hourMs = 3_600_000;
const fleet = 'demo' as FleetId;

const openBuilder = (folder: string, blobs: ReturnType<typeof recordedBlobs>) =>
  new ProcessCandidateBuilder({ blobs, folder: join(folder, 'candidates') });

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
  const broker = new EmbeddedBroker({ listen: [{ host, port: brokerPort }], clock, metrics, log });
  const tokens = createJwtSessionTokens({ seed: random.bytes(32), clock, random });
  const aggregator = new WorkerAggregator();
  const builder = openBuilder(folder, recordedBlobs(blobs, repository));
  const ports: FleetServerPorts = {
    ...{ store, broker, clock, random, keys: online, tokens, log, metrics },
    zones: new IntlZones(),
    federation: { blobs, aggregator, builder, repository },
  };
  const revoked = (): ReadonlySet<Digest> => repository.revoked;
  const runner = new FleetServer(ports, {
    boot: hexOf(random.bytes(16)) as BootId,
    ...{ audience, brokerUrl, revoked },
    auditKeys: () => repository.directorKeys?.auditKeys ?? [],
    cellKey: random.bytes(32),
    directorVersion: 1,
    orderLifeMs: hourMs,
    jitterMs: 0,
  });
  const desks = createFrontDesks(runner, ports, { revoked });
  const claim = hexOf(randomBytes(16));
  await createFleet(store, { claim, devices: options.devices });
  const first = await desks.access.createFirst();
  const stop = new AbortController();
  const routes = { repository, authorize: createAuthorizeRegistry(desks.access) };
  const app = await createHttp({
    ...{ desks, log, metrics, random, hosts: [host], closing: stop.signal },
    health: {
      notReady: () => findMissing({ store, broker, closing: stop.signal }),
      exposition: () => metrics.exposition(),
    },
    enrolment: { origin: audience, rootDigest: async () => digestOf(rootMetadata) },
    planes: [
      async (scope) => registerTufRoutes(scope, routes),
      async (scope) => registerRegistryRoutes(scope, routes),
    ],
  });
  await app.listen({ host, port: httpPort });
  const running = runner.run(stop.signal);
  const renewing = repository.keepFresh(stop.signal, log);
  return {
    ...{ fleet, audience, brokerUrl, claim, rootMetadata, offline, online, store, broker, runner },
    ...{ desks, blobs, blobFolder },
    adminToken: first?.token ?? '',
    close: async () => {
      stop.abort();
      await app.close();
      await Promise.all([running, renewing]);
      await aggregator.stop();
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
      idPattern: '*',
      usesLeft: devices,
      expiresAtMs: nowMs + hourMs,
      preAuthorized: true,
      tags: { site: 'demo' },
      createdAtMs: nowMs,
      createdBy: 'operator',
    });
  });
}

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
