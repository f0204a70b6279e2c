import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { createDecoder } from '../../shared/codec/validator.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { ProblemSchema } from '../../shared/contracts/problem.ts';
import type { Json } from '../../shared/core/canonical-json.ts';
import type { TargetPath } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Fetcher } from '../../shared/ports/fetcher.ts';
import type { KeyStore } from '../../shared/ports/key-store.ts';
import { collect } from '../../shared/trust/tuf/metadata-source.ts';
import { signBody, type TargetEntry } from '../../shared/trust/tuf/repository.ts';
import type { OfflineSigner } from '../keys/offline-signer.ts';
import { firstTargets, fixedTargetsOf, nextTargets } from './demo-keys.ts';

export interface PublisherOptions {
  /** Towards the server, with the operator's API token. */
  readonly fetcher: Fetcher;
  readonly token: string;
  readonly fleet: string;
  readonly online: KeyStore;
  readonly targetsKey: OfflineSigner;
}

export interface ReleaseEntry {
  readonly bundle: PackedBundle;
  /** Tensors that a federated candidate may replace; none when absent. */
  readonly federable?: readonly string[];
}

export const pathOf = ({ config }: PackedBundle): TargetPath =>
  `bundles/${config.name}@${config.version}` as TargetPath;

const decodeProblem = createDecoder(ProblemSchema, limits.sessionGrantBytesMax);

/** Publishes as an operator does: blobs up over HTTP, then one signed targets file that names them. */
export class Publisher {
  readonly #options: PublisherOptions;
  #signed: ReturnType<typeof firstTargets> | undefined;
  #releases = 0;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** The first publication brings the fixed targets too. */
  async publish(releases: readonly ReleaseEntry[], nowMs: number): Promise<void> {
    for (const { bundle } of releases) await this.#upload(bundle);
    const { targetsKey } = this.#options;
    const body = await this.#compose(releases, nowMs);
    await this.#put(
      `/tuf/${Number(body['version'])}.targets.json`,
      signBody(body, [targetsKey.sign]),
    );
    this.#signed = body;
    this.#releases += releases.length;
  }

  /** Tries to publish under a key that is not trusted for it. Returns the server's code. */
  async publishUnder(key: OfflineSigner, release: ReleaseEntry, nowMs: number): Promise<string> {
    await this.#upload(release.bundle);
    const body = await this.#compose([release], nowMs);
    try {
      await this.#put(`/tuf/${Number(body['version'])}.targets.json`, signBody(body, [key.sign]));
    } catch (error) {
      if (error instanceof OperatingError) return error.code;
      throw error;
    }
    return 'accepted';
  }

  async #compose(releases: readonly ReleaseEntry[], nowMs: number) {
    const entries = releases.map((release, at) => entryOf(release, this.#releases + at + 1));
    if (this.#signed !== undefined) return nextTargets(this.#signed, entries, nowMs);
    const { online, fleet } = this.#options;
    const fixed = fixedTargetsOf(online);
    for (const [name, bytes] of fixed) await this.#put(`/tuf/targets/${name}`, bytes);
    const targets = [...[...fixed].map(([path, bytes]) => ({ path, bytes })), ...entries];
    const federated = online.signer('federated').publicKey;
    return firstTargets(targets, { name: fleet, federated, nowMs });
  }

  async #upload({ config, digest, manifest, blobs }: PackedBundle): Promise<void> {
    for (const [name, bytes] of [...blobs, [digest, manifest] as const]) {
      await this.#put(`/v2/${config.name}/blobs/${name}`, bytes);
    }
  }

  /** Throws an OperatingError with the server's code. */
  async #put(path: string, body: Uint8Array): Promise<void> {
    const { fetcher, token } = this.#options;
    const response = await fetcher.fetch({
      method: 'PUT',
      path,
      body,
      bearer: token,
      headers: new Map([['content-type', 'application/octet-stream']]),
      bytesMax: limits.sessionGrantBytesMax,
      timeoutMs: limits.cliRequestTimeoutMs,
    });
    const answer = await collect(response.body, limits.sessionGrantBytesMax);
    if (response.status < 300) return;
    const problem = decodeProblem(answer);
    const code = problem.ok ? problem.value.code : 'fetch-failed';
    const detail = problem.ok ? (problem.value.detail ?? problem.value.title) : path;
    throw new OperatingError(code, `${path} answered ${response.status}: ${detail}`);
  }
}

const entryOf = ({ bundle, federable }: ReleaseEntry, releaseCounter: number): TargetEntry => {
  const { name, version } = bundle.config;
  const custom: Json = {
    name,
    version,
    releaseCounter,
    fleets: [],
    classMatch: {},
    status: 'live',
    ...(federable === undefined ? {} : { federable: [...federable] }),
  };
  return { path: pathOf(bundle), bytes: bundle.manifest, custom };
};
