import { decodeBundle, decodeGolden, decodeManifest } from '../../../shared/codec/bundle.ts';
import type { BundleForm } from '../../../shared/codec/federated-candidate.ts';
import type { OnnxAllowance } from '../../../shared/codec/onnx-allowance.ts';
import { guardOnnx } from '../../../shared/codec/onnx-guard.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { OciManifest } from '../../../shared/contracts/oci-manifest.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import { ok, type Result } from '../../../shared/core/result.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { collect } from '../../../shared/trust/tuf/metadata-source.ts';
import type { Release } from '../../core/repository/release-rules.ts';
import { type RepositoryRefusal, refuse } from '../../core/repository/repository-refusal.ts';
import type { BlobStore } from '../../ports/blob-store.ts';

export interface StoredBundle extends BundleForm {
  /** Every blob of the bundle, its manifest first. */
  readonly blobs: readonly Digest[];
}

/**
 * Looks at an uploaded bundle as a device will: whole, consistent, and every graph past the guard. So what is signed
 * and refused by all devices is refused here first, once.
 */
export async function checkStoredBundle(
  blobs: BlobStore,
  release: Release,
  allow: OnnxAllowance,
): Promise<Result<StoredBundle, RepositoryRefusal>> {
  const { path, digest, bytes, custom } = release;
  const manifestBytes = await readWhole(blobs, digest, { bytes, max: limits.manifestBytesMax });
  if (!manifestBytes.ok) return manifestBytes;
  const manifest = decodeManifest(manifestBytes.value);
  if (!manifest.ok) return refuse(manifest.error.code, `${path}: ${manifest.error.message}`);
  const { config, layers } = manifest.value;
  const configBytes = await readWhole(blobs, config.digest, {
    bytes: config.size,
    max: limits.bundleConfigBytesMax,
  });
  if (!configBytes.ok) return configBytes;
  const bundle = decodeBundle(manifestBytes.value, configBytes.value);
  if (!bundle.ok) return refuse(bundle.error.code, `${path}: ${bundle.error.message}`);
  const { name, version } = bundle.value.config;
  if (name !== custom.name || version !== custom.version) {
    return refuse('release-invalid', `${path}: the bundle says it is ${name}@${version}`);
  }
  for (const layer of layers) {
    const size = await blobs.size(layer.digest);
    if (size !== layer.size) {
      return refuse('bundle-incomplete', `${path}: blob ${layer.digest} is not here whole`);
    }
  }
  const checked = await checkContent(blobs, bundle.value, allow);
  return checked.ok
    ? ok({
        ...{ ...bundle.value, digest },
        blobs: [digest, config.digest, ...layers.map((layer) => layer.digest)],
      })
    : refuse(checked.error.code, `${path}: ${checked.error.message}`);
}

type DecodedBundle = Extract<ReturnType<typeof decodeBundle>, { readonly ok: true }>['value'];

async function checkContent(
  blobs: BlobStore,
  { manifest, config }: DecodedBundle,
  allow: OnnxAllowance,
): Promise<Result<void, RepositoryRefusal>> {
  const sizes = new Map(manifest.layers.map((layer) => [layer.digest, layer.size]));
  const bytes = await readLayer(blobs, manifest, config.golden.blob, limits.goldenBytesMax);
  if (!bytes.ok) return bytes;
  const vectors = decodeGolden(bytes.value);
  if (!vectors.ok) return refuse(vectors.error.code, `golden vectors: ${vectors.error.message}`);
  const graphs = config.variants.map(({ id, graph, tensors }) => ({
    id,
    graph,
    external: new Map(tensors.map(({ location, digest }) => [location, sizes.get(digest) ?? 0])),
  }));
  if (config.training !== undefined) {
    graphs.push({ id: 'training', graph: config.training.graph, external: new Map() });
  }
  for (const { id, graph, external } of graphs) {
    const content = await readLayer(blobs, manifest, graph, limits.onnxGraphBytesMax);
    if (!content.ok) return content;
    const guarded = guardOnnx(content.value, { blobs: external, allow });
    if (!guarded.ok) return refuse(guarded.error.code, `graph ${id}: ${guarded.error.message}`);
  }
  return ok(undefined);
}

const readLayer = (
  blobs: BlobStore,
  { layers }: OciManifest,
  digest: Digest,
  max: number,
): Promise<Result<Uint8Array, RepositoryRefusal>> => {
  const bytes = layers.find((layer) => layer.digest === digest)?.size ?? 0;
  return readWhole(blobs, digest, { bytes, max });
};

/** A blob that is decoded here is hashed again: it may have rotted since it was uploaded. */
export async function readWhole(
  blobs: BlobStore,
  digest: Digest,
  { bytes, max }: { readonly bytes: number; readonly max: number },
): Promise<Result<Uint8Array, RepositoryRefusal>> {
  if (bytes > max) return refuse('too-large', `${digest} has ${bytes} bytes, at most ${max}`);
  const isWhole = (await blobs.size(digest)) === bytes;
  const body = isWhole ? await blobs.read(digest) : undefined;
  if (body === undefined) return refuse('bundle-incomplete', `blob ${digest} is not here whole`);
  const content = await collect(body, max);
  return digestOf(content) === digest
    ? ok(content)
    : refuse('bundle-incomplete', `blob ${digest} is not what its name says`);
}
