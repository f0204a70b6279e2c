import {
  type BundleConfig,
  BundleConfigSchema,
  type GoldenVectors,
  GoldenVectorsSchema,
} from '../contracts/bundle-config.ts';
import { limits } from '../contracts/limits.ts';
import { mediaTypes, type OciManifest, OciManifestSchema } from '../contracts/oci-manifest.ts';
import type { Digest } from '../core/ids.ts';
import { err, ok, type Result } from '../core/result.ts';
import { isOlderVersion } from '../core/version-order.ts';
import { defaultAnswerProblem } from './default-answer.ts';
import { createDecoder, type SchemaIssue } from './validator.ts';

export interface BundleIssue {
  readonly code: SchemaIssue['code'] | 'bundle-inconsistent' | 'default-answer-invalid';
  readonly message: string;
}

/** A bundle whose manifest and configuration agree; its blobs are named and sized, not yet read. */
export interface Bundle {
  readonly manifest: OciManifest;
  readonly config: BundleConfig;
}

const decodeManifestJson = createDecoder(OciManifestSchema, limits.manifestBytesMax);
const decodeConfigJson = createDecoder(BundleConfigSchema, limits.bundleConfigBytesMax);
const decodeGoldenJson = createDecoder(GoldenVectorsSchema, limits.goldenBytesMax);

export function decodeManifest(bytes: Uint8Array): Result<OciManifest, BundleIssue> {
  const decoded = decodeManifestJson(bytes);
  if (!decoded.ok) return err(issueOf(decoded.error));
  const digests = [decoded.value.config, ...decoded.value.layers].map((layer) => layer.digest);
  return new Set(digests).size === digests.length
    ? ok(decoded.value)
    : inconsistent('the manifest names a blob twice');
}

/**
 * Configuration against manifest: every blob a variant, the golden set or the training graph uses
 * is a layer of the right
 * media type, and no layer is unused, because what nothing names nobody has checked.
 */
export function decodeBundle(
  manifestBytes: Uint8Array,
  configBytes: Uint8Array,
): Result<Bundle, BundleIssue> {
  const manifest = decodeManifest(manifestBytes);
  if (!manifest.ok) return manifest;
  const config = decodeConfigJson(configBytes);
  if (!config.ok) return err(issueOf(config.error));
  const problem = disagreement(manifest.value, config.value);
  if (problem !== undefined) return inconsistent(problem);
  const badDefault = defaultAnswerProblem(config.value);
  return badDefault === undefined
    ? ok({ manifest: manifest.value, config: config.value })
    : err({ code: 'default-answer-invalid', message: badDefault });
}

export function decodeGolden(bytes: Uint8Array): Result<GoldenVectors, BundleIssue> {
  const decoded = decodeGoldenJson(bytes);
  return decoded.ok ? decoded : err(issueOf(decoded.error));
}

/** Blobs by digest with the media type under which the configuration uses them. */
export function blobsUsed(config: BundleConfig): ReadonlyMap<Digest, string> {
  const used = new Map<Digest, string>();
  used.set(config.golden.blob, mediaTypes.golden);
  for (const variant of config.variants) {
    used.set(variant.graph, mediaTypes.graph);
    for (const tensor of variant.tensors) used.set(tensor.digest, mediaTypes.tensor);
  }
  if (config.training !== undefined) {
    used.set(config.training.graph, mediaTypes.graph);
    for (const parameter of config.training.parameters) used.set(parameter.blob, mediaTypes.tensor);
  }
  return used;
}

function disagreement(manifest: OciManifest, config: BundleConfig): string | undefined {
  const used = blobsUsed(config);
  const layers = new Map(manifest.layers.map((layer) => [layer.digest, layer]));
  for (const [digest, mediaType] of used) {
    const layer = layers.get(digest);
    if (layer === undefined) return `the configuration uses ${digest}, which is no layer`;
    if (layer.mediaType !== mediaType) return `${digest} is used as ${mediaType}`;
  }
  for (const digest of layers.keys()) {
    if (!used.has(digest)) return `nothing in the configuration uses ${digest}`;
  }
  return (
    chunkDisagreement(manifest, config) ??
    profileDisagreement(config) ??
    emptyRange(config.variants)
  );
}

/** A range without a version in it fits no device, and nobody means that. */
export function emptyRange(
  variants: readonly Pick<BundleConfig['variants'][number], 'id' | 'constraints'>[],
): string | undefined {
  const empty = variants.find(({ constraints: { runtime } }) =>
    runtime?.min === undefined || runtime.max === undefined
      ? false
      : isOlderVersion(runtime.max, runtime.min),
  );
  return empty === undefined ? undefined : `the runtime range of variant ${empty.id} is empty`;
}

function chunkDisagreement(manifest: OciManifest, config: BundleConfig): string | undefined {
  const chunks = new Map(config.chunks.map((entry) => [entry.digest, entry.sha256.length]));
  if (chunks.size !== config.chunks.length) return 'chunk hashes stand twice';
  for (const { digest, size } of manifest.layers) {
    const expected = size > limits.chunkBytes ? Math.ceil(size / limits.chunkBytes) : 0;
    if ((chunks.get(digest) ?? 0) !== expected) return `${digest} needs ${expected} chunk hashes`;
    chunks.delete(digest);
  }
  return chunks.size === 0 ? undefined : 'chunk hashes of a blob that is no layer';
}

function profileDisagreement(config: BundleConfig): string | undefined {
  const names = new Set<string>();
  for (const { name, edges, counts } of config.profile.monitored) {
    if (names.has(name)) return `monitored value ${name} stands twice`;
    names.add(name);
    if (counts.length !== edges.length + 1)
      return `monitored value ${name} needs one count per bin`;
    const rises = edges.every((edge, place) => place === 0 || edge > (edges[place - 1] ?? edge));
    if (!rises) return `the edges of monitored value ${name} do not rise`;
  }
  const variants = new Set(config.variants.map((variant) => variant.id));
  return variants.size === config.variants.length ? undefined : 'a variant id stands twice';
}

const issueOf = ({ code, pointer, message }: SchemaIssue): BundleIssue => ({
  code,
  message: pointer === '' ? message : `${pointer}: ${message}`,
});

const inconsistent = (message: string): Result<never, BundleIssue> =>
  err({ code: 'bundle-inconsistent', message });
