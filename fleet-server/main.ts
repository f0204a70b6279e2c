import { X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock as clock } from '../shared/adapters/clock/system-clock.ts';
import { isAbsent } from '../shared/adapters/disk/disk-error.ts';
import { NodeDisk } from '../shared/adapters/disk/node-disk.ts';
import { createPinoLog } from '../shared/adapters/log/pino-log.ts';
import { watchProcess } from '../shared/adapters/metrics/process-figures.ts';
import { PromMetrics } from '../shared/adapters/metrics/prom-metrics.ts';
import { cryptoRandom as random } from '../shared/adapters/random/crypto-random.ts';
import { IntlZones } from '../shared/adapters/zones/intl-zones.ts';
import { limits } from '../shared/contracts/limits.ts';
import { hexOf } from '../shared/core/bytes.ts';
import type { BootId, Digest } from '../shared/core/ids.ts';
import { OperatingError } from '../shared/core/operating-error.ts';
import type { Log } from '../shared/ports/log.ts';
import type { Metrics } from '../shared/ports/metrics.ts';
import { digestOf } from '../shared/trust/hash.ts';
import { WorkerAggregator } from './adapters/aggregator/worker-aggregator.ts';
import { FolderBlobStore } from './adapters/blobs/folder-blob-store.ts';
import { EmbeddedBroker } from './adapters/broker/embedded-broker.ts';
import { ProcessCandidateBuilder } from './adapters/candidate-builder/process-candidate-builder.ts';
import { ensureSecret, writeSecretFile } from './adapters/files/secret-file.ts';
import { FileKeyStore } from './adapters/keys/file-key-store.ts';
import { refuseOfflineKeys } from './adapters/keys/offline-key-search.ts';
import { createJwtSessionTokens } from './adapters/session-token/jwt-session-tokens.ts';
import { openFileStore } from './adapters/sql/sql-store.ts';
import { isLoopback, type ListenConfig, type ServerConfig } from './config.ts';
import { createAuthorizeRegistry } from './http/authorize-registry.ts';
import { createHttp, type HttpDeps } from './http/create-http.ts';
import { registerRegistryRoutes } from './http/registry-routes.ts';
import { registerTufRoutes } from './http/tuf-routes.ts';
import type { BlobStore } from './ports/blob-store.ts';
import { recordedBlobs } from './runner/federation/recorded-blobs.ts';
import { FleetGauges } from './runner/fleet-gauges.ts';
import { FleetServer, type FleetServerPorts } from './runner/fleet-server.ts';
import { createFrontDesks, type FrontDesks } from './runner/front-desks.ts';
import { ImageRepository } from './runner/image-repository.ts';
import { meterStore } from './runner/metered-store.ts';
import { findMissing } from './runner/readiness.ts';

export interface RunningServer {
  readonly origin: string;
  /** Where the first admin token was written by this start; undefined when there was one already. */
  readonly firstTokenFile: string | undefined;
  /** Rejects when the server cannot go on. */
  readonly failed: Promise<never>;
  /** Takes nothing new, ends what is under way within `limits.drainMs`, commits, closes. */
  stop(): Promise<void>;
}

/** Puts the fleet server together from its folder and opens its doors. Throws OperatingErrors of what is missing. */
export async function startServer(config: ServerConfig): Promise<RunningServer> {
  const log = createPinoLog({ component: 'server', level: config.logLevel });
  const metrics = new PromMetrics('server');
  const rooms = await openRooms(config, metrics);
  try {
    return await openDoors(config, { rooms, log, metrics });
  } catch (error) {
    // Its thread would keep a process alive that serves nobody.
    await rooms.store.close();
    throw error;
  }
}

async function openDoors(
  config: ServerConfig,
  house: {
    readonly rooms: Awaited<ReturnType<typeof openRooms>>;
    readonly log: Log;
    readonly metrics: PromMetrics;
  },
): Promise<RunningServer> {
  const { rooms, log, metrics } = house;
  const { store } = rooms;
  const broker = new EmbeddedBroker({
    listen: [
      { host: config.broker.host, port: config.broker.port, ...(await brokerTls(config.broker)) },
    ],
    ...{ insecurePlaintext: config.insecurePlaintext, clock, metrics, log },
  });
  const repository = await openRepository(config, { ...rooms, log });
  const aggregator = new WorkerAggregator();
  const ports: FleetServerPorts = {
    ...{ store, broker, clock, random, log, metrics, keys: rooms.keys },
    tokens: createJwtSessionTokens({ seed: rooms.sessionSeed, clock, random }),
    zones: new IntlZones(),
    // A candidate is published in the repository; without one there are no rounds.
    ...(repository === undefined
      ? {}
      : {
          federation: { ...openWorkshop(config, rooms.blobs, repository), aggregator, repository },
        }),
  };
  const revoked = (): ReadonlySet<Digest> => repository?.revoked ?? new Set();
  const { origin, orderLifeMs, jitterMs } = config;
  const server = new FleetServer(ports, {
    ...{ audience: origin, brokerUrl: config.broker.url, orderLifeMs, jitterMs, revoked },
    windowDaysKept: config.windowDaysKept,
    boot: hexOf(random.bytes(16)) as BootId,
    cellKey: rooms.cellKey,
    directorVersion: repository?.directorKeys?.version ?? 1,
    auditKeys: () => repository?.directorKeys?.auditKeys ?? [],
  });
  const desks = createFrontDesks(server, ports, { revoked });
  const firstTokenFile = await prepare(config, desks);
  const stopping = new AbortController();
  const doors = { desks, ports, repository, metrics, log, closing: stopping.signal };
  const app = await createHttp(await httpDeps(config, doors));
  const running = server.run(stopping.signal);
  const renewing = repository?.keepFresh(stopping.signal, log);
  const failed = running.then(() => new Promise<never>(() => undefined));
  const stop = async (): Promise<void> => {
    stopping.abort();
    const force = setTimeout(() => app.server.closeAllConnections(), limits.drainMs / 2);
    await app.close();
    clearTimeout(force);
    await Promise.allSettled([running, renewing]);
    await aggregator.stop();
    await store.close();
    log.info({ event: 'server-stopped' }, 'everything is on disk');
  };
  try {
    await Promise.race([Promise.all([listen(app, config.http), server.opened]), failed]);
  } catch (error) {
    // Half a server would hold its files and answer nobody.
    await stop();
    throw error;
  }
  log.info({ event: 'server-started', origin, broker: config.broker.url }, 'the doors are open');
  return { origin, firstTokenFile, failed, stop };
}

async function listen(
  app: Awaited<ReturnType<typeof createHttp>>,
  { host, port }: ServerConfig['http'],
): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    throw new OperatingError('listen-failed', `${host}:${port} cannot be taken`, { cause });
  }
}

/** What lies in the data folder; secrets that are missing are drawn. */
async function openRooms(config: ServerConfig, metrics: Metrics) {
  const { data } = config;
  await mkdir(join(data, 'blobs'), { recursive: true, mode: 0o700 });
  const passphrase =
    config.passphraseFile === undefined
      ? {}
      : { passphrase: (await readFile(config.passphraseFile, 'utf8')).trimEnd() };
  await refuseOfflineKeys(data);
  const keys = await FileKeyStore.open({ folder: join(data, 'keys'), ...passphrase });
  const disk = new NodeDisk({ root: join(data, 'blobs'), onFsyncFailure: () => process.abort() });
  return {
    keys,
    sessionSeed: await ensureSecret(join(data, 'secrets', 'session-tokens.hex'), random),
    cellKey: await ensureSecret(join(data, 'secrets', 'cells.hex'), random),
    blobs: await FolderBlobStore.open(disk, random),
    store: meterStore(await openFileStore(join(data, 'skein.db')), { metrics, clock }),
  };
}

/** Candidates are built beside the data, so that their folders lie on a disk that has room for bundles. */
const openWorkshop = ({ data }: ServerConfig, blobs: BlobStore, repository: ImageRepository) => ({
  blobs,
  builder: new ProcessCandidateBuilder({
    blobs: recordedBlobs(blobs, repository),
    folder: join(data, 'candidates'),
  }),
});

/** Without a first root there is nothing to serve yet: the server starts, says so, and makes no claims. */
async function openRepository(
  config: ServerConfig,
  rooms: Pick<Awaited<ReturnType<typeof openRooms>>, 'store' | 'blobs' | 'keys'> & {
    readonly log: Log;
  },
): Promise<ImageRepository | undefined> {
  const firstRoot = await readRoot(config.rootFile);
  if (firstRoot === undefined) {
    const { rootFile } = config;
    rooms.log.warn({ event: 'no-first-root', rootFile }, 'no root is published: sign one first');
    return undefined;
  }
  const { bundleDaysKept, policy } = config;
  const options = { firstRoot, bundleDaysKept, onnx: policy.onnx };
  return ImageRepository.open({ ...rooms, clock }, options);
}

async function readRoot(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Fleets of the configuration, and the first token: written to a file of its own, never logged. */
async function prepare(config: ServerConfig, desks: FrontDesks): Promise<string | undefined> {
  for (const fleet of config.fleets) {
    if (!(await desks.fleets.exists(fleet)))
      await desks.fleets.create('skein', { fleet, title: '' });
  }
  const issued = await desks.access.createFirst();
  if (issued === null) return undefined;
  const file = join(config.data, 'first-admin.token');
  await writeSecretFile(file, `${issued.token}\n`);
  return file;
}

async function httpDeps(
  config: ServerConfig,
  doors: {
    readonly desks: FrontDesks;
    readonly ports: FleetServerPorts;
    readonly repository: ImageRepository | undefined;
    readonly metrics: PromMetrics;
    readonly log: Log;
    readonly closing: AbortSignal;
  },
): Promise<HttpDeps> {
  const { desks, ports, repository, metrics, log, closing } = doors;
  const ca =
    config.caFile === undefined ? {} : { caDigest: await certificateDigest(config.caFile) };
  const routes =
    repository === undefined
      ? undefined
      : { repository, authorize: createAuthorizeRegistry(desks.access) };
  return {
    ...{ desks, log, metrics, random, hosts: config.http.hosts, closing },
    ...(config.http.tls === undefined ? {} : { tls: await readTls(config.http.tls) }),
    health: {
      notReady: () => findMissing({ ...ports, closing }),
      exposition: openFigures(config, { ports, repository, metrics }),
    },
    enrolment: {
      origin: config.origin,
      rootDigest: async () => {
        const root = await readRoot(config.rootFile);
        return root === undefined ? undefined : digestOf(root);
      },
      ...ca,
    },
    planes:
      routes === undefined
        ? []
        : [
            async (app) => registerTufRoutes(app, routes),
            async (app) => registerRegistryRoutes(app, routes),
          ],
  };
}

/** What `/metrics` shows: everything counted so far, and what is so now. */
function openFigures(
  config: ServerConfig,
  parts: {
    readonly ports: FleetServerPorts;
    readonly repository: ImageRepository | undefined;
    readonly metrics: PromMetrics;
  },
): HttpDeps['health']['exposition'] {
  const { ports, repository, metrics } = parts;
  const { host, tls } = config.http;
  const isPlaintext = tls === undefined && !isLoopback(host);
  metrics.gauge('skein_plaintext_listener', isPlaintext ? 1 : 0, { door: 'http' });
  const disk = new NodeDisk({ root: config.data, onFsyncFailure: () => process.abort() });
  const gauges = new FleetGauges({ metrics, clock, store: ports.store, disk, repository });
  const readProcess = watchProcess(metrics);
  return async () => {
    await gauges.read();
    readProcess();
    return metrics.exposition();
  };
}

/** Over the certificate itself: a device sees it in the handshake, without the text that PEM puts around it. */
const certificateDigest = async (path: string): Promise<Digest> =>
  digestOf(new X509Certificate(await readFile(path)).raw);

const readTls = async (tls: NonNullable<ListenConfig['tls']>) => ({
  key: await readFile(tls.keyFile),
  cert: await readFile(tls.certFile),
});

async function brokerTls({ tls }: ListenConfig) {
  if (tls === undefined) return {};
  const { key, cert } = await readTls(tls);
  return { tls: { key: key.toString('utf8'), cert: cert.toString('utf8') } };
}
