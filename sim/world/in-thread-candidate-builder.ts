import type { BlobStore } from '../../fleet-server/ports/blob-store.ts';
import type {
  BuiltCandidate,
  CandidateBuilder,
  CandidateRefusal,
  CandidateRequest,
} from '../../fleet-server/ports/candidate-builder.ts';
import { decodeBundle, decodeManifest } from '../../shared/codec/bundle.ts';
import type { BundleConfig } from '../../shared/contracts/bundle-config.ts';
import type { CandidateEvidence, CandidateJob } from '../../shared/contracts/federation.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { readAll, streamOf } from '../../shared/core/byte-stream.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';

/** A bundle with all its blobs, the configuration among them. */
interface WholeBundle {
  readonly digest: Digest;
  readonly manifest: Uint8Array;
  readonly config: BundleConfig;
  readonly blobs: ReadonlyMap<Digest, Uint8Array>;
}

export interface CandidateMaterial {
  readonly job: CandidateJob;
  readonly parent: WholeBundle;
  readonly base: WholeBundle;
  readonly parameters: Uint8Array;
  /** As it was uploaded. */
  readonly heldOut: Uint8Array;
}

/** What the real builder's process does between reading its job folder and writing it. */
export type BuildWork = (material: CandidateMaterial) => Promise<
  Result<
    { readonly bundle: WholeBundle; readonly evidence: CandidateEvidence },
    {
      readonly code: string;
      readonly message: string;
      readonly evidence?: CandidateEvidence;
    }
  >
>;

/** CandidateBuilder without a process: the workshop's own work in the calling thread, by microtasks alone. */
export class InThreadCandidateBuilder implements CandidateBuilder {
  readonly #blobs: Pick<BlobStore, 'read' | 'put'>;
  readonly #work: BuildWork;

  constructor(options: {
    readonly blobs: Pick<BlobStore, 'read' | 'put'>;
    readonly work: BuildWork;
  }) {
    this.#blobs = options.blobs;
    this.#work = options.work;
  }

  async build(request: CandidateRequest): Promise<Result<BuiltCandidate, CandidateRefusal>> {
    const { job, parameters } = request;
    const parent = await this.#readBundle(request.parent);
    const base = await this.#readBundle(request.base);
    const heldOut = await this.#read(request.heldOut);
    const built = await this.#work({ job, parent, base, parameters: parameters.slice(), heldOut });
    if (!built.ok) {
      const { code, message, evidence } = built.error;
      return err({ code, message, evidence: evidence ?? null });
    }
    const { bundle, evidence } = built.value;
    for (const [digest, bytes] of bundle.blobs) await this.#keep(digest, bytes);
    await this.#keep(bundle.digest, bundle.manifest);
    return ok({ digest: bundle.digest, evidence });
  }

  async #readBundle(digest: Digest): Promise<WholeBundle> {
    const manifestBytes = await this.#read(digest);
    const manifest = decodeManifest(manifestBytes);
    if (!manifest.ok) throw failed(`a bundle's manifest is refused: ${manifest.error.message}`);
    const { config, layers } = manifest.value;
    const blobs = new Map<Digest, Uint8Array>();
    for (const layer of [config, ...layers]) {
      blobs.set(layer.digest, await this.#read(layer.digest));
    }
    const bundle = decodeBundle(manifestBytes, blobs.get(config.digest) ?? new Uint8Array());
    if (!bundle.ok) throw failed(`a bundle is refused: ${bundle.error.message}`);
    return { digest, manifest: manifestBytes, config: bundle.value.config, blobs };
  }

  async #read(digest: Digest): Promise<Uint8Array> {
    const body = await this.#blobs.read(digest);
    if (body === undefined) throw failed(`blob ${digest} is not in the store`);
    return readAll(body);
  }

  async #keep(digest: Digest, bytes: Uint8Array): Promise<void> {
    const put = await this.#blobs.put(digest, streamOf(bytes), { bytesMax: limits.uploadBytesMax });
    if (!put.ok) throw failed(put.error.message);
  }
}

const failed = (message: string): OperatingError =>
  new OperatingError('candidate-build-failed', message, { retryable: true });
