import { inThreadAggregator } from '../../fleet-server/adapters/aggregator/in-thread-aggregator.ts';
import type { Store } from '../../fleet-server/ports/store.ts';
import type { FederationPorts } from '../../fleet-server/runner/federation/federation.ts';
import { recordedBlobs } from '../../fleet-server/runner/federation/recorded-blobs.ts';
import { RoundOffice } from '../../fleet-server/runner/federation/round-office.ts';
import type { FleetServer } from '../../fleet-server/runner/fleet-server.ts';
import { ImageRepository } from '../../fleet-server/runner/image-repository.ts';
import { TokenDesk } from '../../fleet-server/runner/token-desk.ts';
import { streamOf } from '../../shared/core/byte-stream.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { type DeviceId, type Digest, isDigest, isRoundId } from '../../shared/core/ids.ts';
import { invariant } from '../../shared/core/invariant.ts';
import type { Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import { InThreadCandidateBuilder } from '../world/in-thread-candidate-builder.ts';
import { MemoryBlobStore } from '../world/memory-blob-store.ts';
import type { OriginHandler, OriginResponse } from '../world/sim-fetcher.ts';
import type { SimRandom } from '../world/sim-random.ts';
import type { SimSessionTokens } from '../world/sim-session-tokens.ts';
import { learningForm } from './learning-bundle.ts';
import type { SmokeRepository } from './smoke-origin.ts';
import { virtualWorkshop } from './virtual-workshop.ts';

interface LearningWorld {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: SimRandom;
  readonly tokens: SimSessionTokens;
  readonly server: FleetServer;
}

interface OpenRooms {
  readonly repository: ImageRepository;
  readonly office: RoundOffice;
  readonly access: TokenDesk;
}

/** What a fleet server needs beyond the smoke world's to hold rounds: a repository that it publishes in itself. */
export class LearningServer {
  readonly blobs = new MemoryBlobStore();
  /** What the origin said to each upload, in order. */
  readonly uploads: { readonly device: DeviceId; readonly answer: string }[] = [];
  #rooms: OpenRooms | undefined;

  get rooms(): OpenRooms {
    invariant(this.#rooms !== undefined, 'the repository is opened before the server runs');
    return this.#rooms;
  }

  /** What orders forbid: nothing before the repository is open. */
  get revoked(): ReadonlySet<Digest> {
    return this.#rooms?.repository.revoked ?? new Set();
  }

  /** For the server's constructor, which comes before the repository can be opened. */
  get ports(): FederationPorts {
    const { blobs } = this;
    const opened = (): ImageRepository => this.rooms.repository;
    const putBlob: ImageRepository['putBlob'] = (...given) => opened().putBlob(...given);
    return {
      ...{ blobs, aggregator: inThreadAggregator },
      builder: new InThreadCandidateBuilder({
        blobs: recordedBlobs(blobs, { putBlob }),
        work: virtualWorkshop(learningForm),
      }),
      repository: {
        get signedReleases() {
          return opened().signedReleases;
        },
        federatedReleases: (fleet) => opened().federatedReleases(fleet),
        publishCandidate: (candidate) => opened().publishCandidate(candidate),
        putBlob,
      },
    };
  }

  /** As an operator: the blobs up, then what the offline keys have signed. */
  async open(world: LearningWorld, signed: SmokeRepository): Promise<void> {
    const { store, clock, random, tokens, server } = world;
    const { keys, root, targets, fixed, bundles } = signed;
    const ports = { store, clock, keys, blobs: this.blobs };
    const repository = await ImageRepository.open(ports, { firstRoot: root });
    for (const bundle of bundles) {
      for (const [digest, bytes] of [...bundle.blobs, [bundle.digest, bundle.manifest] as const]) {
        expectOk(await repository.putBlob(digest, streamOf(bytes)));
      }
    }
    for (const [name, bytes] of fixed) expectOk(await repository.putFixedTarget(name, bytes));
    expectOk(await repository.publishMetadata({ ...targets, actor: 'operator' }));
    const { federation } = server;
    this.#rooms = {
      repository,
      office: new RoundOffice({ store, clock, federation }),
      access: new TokenDesk({ store, clock, random, sessionTokens: tokens }),
    };
  }

  /** The repository as the server serves it now, and the door for updates; everything else is the smoke origin's. */
  origin(others: OriginHandler): OriginHandler {
    return async (request) => {
      const { method, path, headers, body } = request;
      const upload = /^\/device\/v1\/rounds\/([^/]+)\/update$/.exec(path)?.[1];
      if (method === 'PUT' && upload !== undefined) {
        return this.#takeUpdate(upload, headers.get('authorization'), body);
      }
      const metadata = /^\/tuf\/(.+)$/.exec(path)?.[1];
      if (metadata !== undefined) return file(await this.rooms.repository.readMetadata(metadata));
      const blob = /^\/v2\/[^/]+\/(?:blobs|manifests)\/([^/]+)$/.exec(path)?.[1];
      return blob === undefined ? others(request) : this.#blob(blob);
    };
  }

  async #blob(digest: string): Promise<OriginResponse> {
    const scope = { fleets: 'all', seesUploads: false } as const;
    const { registry } = this.rooms.repository;
    const body = isDigest(digest) ? await registry.readBlob(scope, digest) : undefined;
    return file(body);
  }

  async #takeUpdate(
    round: string,
    authorization: string | undefined,
    body: Uint8Array,
  ): Promise<OriginResponse> {
    const { access, office } = this.rooms;
    const principal = await access.check(authorization?.slice('Bearer '.length) ?? '');
    if (!principal.ok || principal.value.kind !== 'device' || !isRoundId(round)) {
      return problem(401, principal.ok ? 'not-found' : principal.error.code);
    }
    const { address } = principal.value;
    const kept = await office.receiveUpdate(address, round, async (bytesMax) =>
      body.slice(0, bytesMax + 1),
    );
    const answer = kept.ok ? 'kept' : kept.error.code;
    this.uploads.push({ device: address.device, answer });
    return kept.ok ? json(201, kept.value) : problem(409, answer);
  }
}

/** The operator of a scenario does nothing that may be refused. */
export function expectOk<T>(
  result: Result<T, { readonly code: string; readonly message: string }>,
): T {
  invariant(result.ok, result.ok ? '' : `${result.error.code}: ${result.error.message}`);
  return result.value;
}

const json = (status: number, value: unknown): OriginResponse => ({
  ...{ status, headers: new Map<string, string>() },
  body: utf8(JSON.stringify(value)),
});

const problem = (status: number, code: string): OriginResponse =>
  json(status, { type: 'about:blank', title: code, status, code });

const file = (body: OriginResponse['body'] | undefined): OriginResponse => ({
  ...{ status: body === undefined ? 404 : 200, headers: new Map<string, string>() },
  body: body ?? new Uint8Array(),
});
