import { float32View } from '../../../shared/codec/federated-update.ts';
import type { OnnxAllowance } from '../../../shared/codec/onnx-allowance.ts';
import { guardOnnx } from '../../../shared/codec/onnx-guard.ts';
import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { OciManifest } from '../../../shared/contracts/oci-manifest.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import { type DownloadWorld, downloadBlob } from '../blob-download.ts';
import type { ContentStore } from '../content-store.ts';

export interface BlobFetcherOptions {
  readonly content: ContentStore;
  readonly download: DownloadWorld;
  readonly bearer: () => string | undefined;
  /** The owner's own; nothing more than the default when absent. */
  readonly allow?: OnnxAllowance;
}

export interface FetchFailure {
  readonly code: string;
  readonly message: string;
}

/** Blobs that a running bundle names and its slot does not need: the training graph and the start values. */
export class TrainingStore {
  readonly #options: BlobFetcherOptions;

  constructor(options: BlobFetcherOptions) {
    this.#options = options;
  }

  /** Fetched if need be, verified by digest, guarded before the runtime sees a byte, shaped as declared. */
  async load(
    { manifest, config }: { readonly manifest: OciManifest; readonly config: BundleConfig },
    training: NonNullable<BundleConfig['training']>,
  ): Promise<
    Result<{ readonly graph: Uint8Array; readonly start: readonly Float32Array[] }, FetchFailure>
  > {
    const graph = await this.read({ manifest, config }, training.graph);
    if (!graph.ok) return graph;
    const { allow = {} } = this.#options;
    const guarded = guardOnnx(graph.value, { blobs: new Map(), allow });
    if (!guarded.ok) return fail(guarded.error.code, guarded.error.message);
    const start: Float32Array[] = [];
    for (const { name, shape, blob } of training.parameters) {
      const bytes = await this.read({ manifest, config }, blob);
      if (!bytes.ok) return bytes;
      const elements = shape.reduce((product, size) => product * size, 1);
      if (bytes.value.length !== 4 * elements) {
        return fail('bundle-inconsistent', `${name} has ${bytes.value.length} bytes`);
      }
      start.push(float32View(bytes.value));
    }
    return ok({ graph: graph.value, start });
  }

  /** One layer of the bundle. */
  async read(
    { manifest, config }: { readonly manifest: OciManifest; readonly config: BundleConfig },
    digest: Digest,
  ): Promise<Result<Uint8Array, FetchFailure>> {
    const layer = manifest.layers.find((candidate) => candidate.digest === digest);
    if (layer === undefined) return fail('bundle-inconsistent', `${digest} is no layer`);
    const chunks = config.chunks.find((entry) => entry.digest === digest)?.sha256;
    return this.readBlob({
      digest,
      bytes: layer.size,
      path: `/v2/${config.name}/blobs/${digest}`,
      ...(chunks === undefined ? {} : { chunks }),
    });
  }

  /** Any blob by digest, from disk or from the origin. */
  async readBlob(blob: {
    readonly digest: Digest;
    readonly bytes: number;
    readonly path: string;
    readonly chunks?: readonly string[];
  }): Promise<Result<Uint8Array, FetchFailure>> {
    const { content, download, bearer } = this.#options;
    if (!(await content.hasBlob(blob.digest))) {
      const token = bearer();
      const done = await downloadBlob(download, {
        ...blob,
        timeoutMs: limits.blobTimeoutMs,
        ...(token === undefined ? {} : { bearer: token }),
      });
      if (!done.ok) return fail(done.error.code, blob.digest);
    }
    const bytes = await content.readBlob(blob.digest, { bytesMax: blob.bytes });
    return bytes.ok ? bytes : fail(bytes.error.code, blob.digest);
  }
}

const fail = (code: string, message: string): Result<never, FetchFailure> => err({ code, message });
