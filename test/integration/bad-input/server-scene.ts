import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderBlobStore } from '../../../fleet-server/adapters/blobs/folder-blob-store.ts';
import { createAuthorizeRegistry } from '../../../fleet-server/http/authorize-registry.ts';
import { registerRegistryRoutes } from '../../../fleet-server/http/registry-routes.ts';
import { registerTufRoutes } from '../../../fleet-server/http/tuf-routes.ts';
import { ImageRepository } from '../../../fleet-server/runner/image-repository.ts';
import { NodeDisk } from '../../../shared/adapters/disk/node-disk.ts';
import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import { CountingMetrics } from '../../../sim/world/counting-metrics.ts';
import { SimRandom } from '../../../sim/world/sim-random.ts';
import { HttpWorld } from '../../support/http-world.ts';
import { RepositoryWorld } from '../../support/repository-world.ts';
import type { Scene } from './bad-case.ts';
import { filesBelow, hashOfLines, openWatchedStore } from './state-hash.ts';

type Answer = Awaited<ReturnType<HttpWorld['ask']>>;

/**
 * A whole fleet server: runners, HTTP app and broker over one store in memory and a blob folder on disk, with its image
 * repository behind the routes, and the operator's offline keys beside it.
 */
export class ServerScene implements Scene {
  readonly http: HttpWorld;
  readonly repository: ImageRepository;
  readonly blobs: FolderBlobStore;
  /** Signs as the operator does; its own store and blobs are not used. */
  readonly operator: RepositoryWorld;
  readonly #metrics: CountingMetrics;
  readonly #rows: () => Promise<readonly string[]>;
  readonly #folder: string;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  private constructor(
    parts: Pick<ServerScene, 'http' | 'repository' | 'blobs' | 'operator'> & {
      readonly metrics: CountingMetrics;
      readonly rows: () => Promise<readonly string[]>;
      readonly folder: string;
    },
  ) {
    this.http = parts.http;
    this.repository = parts.repository;
    this.blobs = parts.blobs;
    this.operator = parts.operator;
    this.#metrics = parts.metrics;
    this.#rows = parts.rows;
    this.#folder = parts.folder;
    this.#running = parts.http.server.run(this.#stop.signal);
  }

  static async open(): Promise<ServerScene> {
    const { store, rows } = openWatchedStore();
    const folder = await mkdtemp(join(tmpdir(), 'skein-bad-'));
    const disk = new NodeDisk({ root: folder, onFsyncFailure: () => undefined });
    const blobs = await FolderBlobStore.open(disk, new SimRandom('blobs'));
    const operator = new RepositoryWorld();
    const { keys, clock, firstRoot } = operator;
    const repository = await ImageRepository.open({ store, blobs, keys, clock }, { firstRoot });
    const metrics = new CountingMetrics();
    const http = await HttpWorld.open({
      store,
      metrics,
      planes: ({ desks }) => {
        const routes = { repository, authorize: createAuthorizeRegistry(desks.access) };
        return [
          async (app) => registerTufRoutes(app, routes),
          async (app) => registerRegistryRoutes(app, routes),
        ];
      },
    });
    return new ServerScene({ http, repository, blobs, operator, metrics, rows, folder });
  }

  async state(): Promise<string> {
    return hashOfLines(await this.#rows(), await filesBelow(this.#folder));
  }

  /** The code under which a frame was refused while `send` ran; frames have no answer of their own. */
  async refusedFrame(codes: readonly ErrorCode[], send: () => Promise<void>): Promise<string> {
    const counted = (code: string): number =>
      this.#metrics.value('skein_frames_refused_total', { code });
    const before = codes.map(counted);
    await send();
    return codes.find((code, place) => counted(code) > (before[place] ?? 0)) ?? 'ok';
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.http.pass(1_000);
    await this.#running;
    await this.http.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The code of an answer in either form: problem+json, or the registry's own. */
export function codeIn(answer: Answer): string {
  if (answer.statusCode < 400) return 'ok';
  const body = answer.json<{
    readonly code?: string;
    readonly errors?: readonly { readonly detail?: { readonly code?: string } }[];
  }>();
  return body.code ?? body.errors?.[0]?.detail?.code ?? 'none';
}
