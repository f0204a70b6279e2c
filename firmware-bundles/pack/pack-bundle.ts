import { decodeBundle } from '../../shared/codec/bundle.ts';
import type { BundleConfig, GoldenVectors } from '../../shared/contracts/bundle-config.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { mediaTypes, type OciManifest } from '../../shared/contracts/oci-manifest.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { digestOf, sha256 } from '../../shared/trust/hash.ts';

/** A graph with its weights taken out: one blob per tensor above a small size, by the `location` the graph uses. */
export interface ExternalizedGraph {
  readonly graph: Uint8Array;
  readonly tensors: ReadonlyMap<string, Uint8Array>;
}

type Variant = BundleConfig['variants'][number];
type Training = NonNullable<BundleConfig['training']>;

/** Everything a bundle says about itself, before blobs are named by digest. */
export interface BundleRecipe
  extends Omit<BundleConfig, 'schemaVersion' | 'variants' | 'golden' | 'training' | 'chunks'> {
  readonly variants: readonly (Omit<Variant, 'graph' | 'tensors'> & {
    readonly model: ExternalizedGraph;
  })[];
  readonly golden: {
    readonly vectors: GoldenVectors;
    readonly tolerance: BundleConfig['golden']['tolerance'];
  };
  readonly training?: Omit<Training, 'graph' | 'parameters'> & {
    readonly graph: Uint8Array;
    readonly parameters: readonly (Omit<Training['parameters'][number], 'blob'> & {
      readonly initial: Uint8Array;
    })[];
  };
}

export interface PackedBundle {
  /** Digest of the manifest: the name of the bundle. */
  readonly digest: Digest;
  readonly manifest: Uint8Array;
  readonly config: BundleConfig;
  /** Every blob including the configuration, by digest; equal tensors of two variants stand once. */
  readonly blobs: ReadonlyMap<Digest, Uint8Array>;
}

/** Names every blob, writes configuration and manifest, and checks the result as a device would. */
export function packBundle(recipe: BundleRecipe): PackedBundle {
  const layers = new Map<Digest, { readonly bytes: Uint8Array; readonly mediaType: LayerType }>();
  const add = (bytes: Uint8Array, mediaType: LayerType): Digest => {
    const digest = digestOf(bytes);
    const before = layers.get(digest);
    invariant(
      before === undefined || before.mediaType === mediaType,
      `${digest} has two media types`,
    );
    layers.set(digest, { bytes, mediaType });
    return digest;
  };

  const { variants, golden, training, ...rest } = recipe;
  const config: BundleConfig = {
    ...rest,
    schemaVersion: 1,
    variants: variants.map(({ model, ...variant }) => ({
      ...variant,
      graph: add(model.graph, mediaTypes.graph),
      tensors: [...model.tensors]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([location, bytes]) => ({ location, digest: add(bytes, mediaTypes.tensor) })),
    })),
    golden: {
      blob: add(utf8(canonicalJson(golden.vectors)), mediaTypes.golden),
      tolerance: golden.tolerance,
    },
    ...(training === undefined ? {} : { training: packTraining(training, add) }),
    chunks: chunkHashes(layers),
  };
  const configBytes = utf8(canonicalJson(config));
  const manifest = manifestOf(config, configBytes, layers);
  const manifestBytes = utf8(canonicalJson(manifest));
  const checked = decodeBundle(manifestBytes, configBytes);
  invariant(
    checked.ok,
    `packed bundle is inconsistent: ${checked.ok ? '' : checked.error.message}`,
  );
  return {
    digest: digestOf(manifestBytes),
    manifest: manifestBytes,
    config,
    blobs: new Map([
      [digestOf(configBytes), configBytes] as const,
      ...[...layers].map(([digest, layer]) => [digest, layer.bytes] as const),
    ]),
  };
}

type LayerType = OciManifest['layers'][number]['mediaType'];
type Layers = ReadonlyMap<Digest, { readonly bytes: Uint8Array; readonly mediaType: LayerType }>;

function packTraining(
  training: NonNullable<BundleRecipe['training']>,
  add: (bytes: Uint8Array, mediaType: LayerType) => Digest,
): Training {
  return {
    ...training,
    graph: add(training.graph, mediaTypes.graph),
    parameters: training.parameters.map(({ initial, ...parameter }) => ({
      ...parameter,
      blob: add(initial, mediaTypes.tensor),
    })),
  };
}

/** Layers in digest order, so the same content gives the same manifest bytes. */
const sortedLayers = (layers: Layers) => [...layers].sort(([a], [b]) => (a < b ? -1 : 1));

function chunkHashes(layers: Layers): BundleConfig['chunks'] {
  return sortedLayers(layers)
    .filter(([, { bytes }]) => bytes.length > limits.chunkBytes)
    .map(([digest, { bytes }]) => {
      const hashes: string[] = [];
      for (let from = 0; from < bytes.length; from += limits.chunkBytes) {
        hashes.push(hexOf(sha256(bytes.subarray(from, from + limits.chunkBytes))));
      }
      return { digest, sha256: hashes };
    });
}

function manifestOf(config: BundleConfig, configBytes: Uint8Array, layers: Layers): OciManifest {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType: mediaTypes.artifact,
    config: {
      mediaType: mediaTypes.config,
      digest: digestOf(configBytes),
      size: configBytes.length,
    },
    layers: sortedLayers(layers).map(([digest, { bytes, mediaType }]) => ({
      mediaType,
      digest,
      size: bytes.length,
    })),
    annotations: {
      'org.opencontainers.image.title': config.name,
      'org.opencontainers.image.version': config.version,
    },
  };
}
