import type { BundleConfig } from '../contracts/bundle-config.ts';
import type { OciManifest } from '../contracts/oci-manifest.ts';
import { canonicalJson, type Json } from '../core/canonical-json.ts';
import type { Digest } from '../core/ids.ts';
import { err, ok, type Result } from '../core/result.ts';
import { float32View } from './federated-update.ts';

/** A bundle whose manifest and configuration agree (`decodeBundle`). */
export interface BundleForm {
  /** Of the manifest. */
  readonly digest: Digest;
  readonly manifest: OciManifest;
  readonly config: BundleConfig;
}

export interface CandidateRefusal {
  readonly code: 'not-federable' | 'candidate-differs' | 'candidate-too-far';
  readonly message: string;
}

/**
 * A delegated candidate against its offline-signed parent: everything but the tensors that the parent's target lists,
 * and what describes them (version, parent, lineage, evidence, chunk hashes), is the same, and replaced blobs have the
 * sizes they had. So whoever holds the delegated key alone cannot ship another program. `checkCandidateTensors` is the
 * other half.
 */
export function checkCandidate(
  parent: BundleForm,
  candidate: BundleForm,
  federable: readonly string[],
): Result<void, CandidateRefusal> {
  if (parent.config.training === undefined || federable.length === 0) {
    return refuse('not-federable', `${parent.digest} is not signed as federable`);
  }
  if (candidate.config.parent !== parent.digest) {
    return differs(`its parent is ${candidate.config.parent ?? 'not named'}`);
  }
  if (candidate.config.lineage.round === undefined) return differs('it names no round');
  const replaceable = replaceableOf(parent.config, new Set(federable));
  const replaced = replacedDigests(parent.config, candidate.config, replaceable);
  if (replaced === undefined) return differs('it has other variants or parameters');
  const expected = canonicalJson(fixedPart(parent.config, replaced, replaceable) as Json);
  if (canonicalJson(fixedPart(candidate.config, replaced, replaceable) as Json) !== expected) {
    return differs('its configuration differs in more than federable tensors');
  }
  return checkSizes(parent, candidate, replaced);
}

/** Places that a candidate may fill anew: each is measured by `checkCandidateTensors`, or it is not in here. */
interface Replaceable {
  readonly parameters: ReadonlySet<string>;
  /** Locations, by the place of the variant. */
  readonly locations: readonly ReadonlySet<string>[];
}

/** A listed location that belongs to no parameter could not be measured, so it stays as it was signed. */
function replaceableOf(parent: BundleConfig, federable: ReadonlySet<string>): Replaceable {
  const names = (parent.training?.parameters ?? [])
    .map(({ name }) => name)
    .filter((name) => federable.has(name));
  return {
    parameters: new Set(names),
    locations: parent.variants.map(({ tensors }) => {
      const present = new Set(tensors.map(({ location }) => location));
      const own = names.filter((name) => present.has(name));
      const scales = own.map((name) => `${name}_scale`).filter((name) => federable.has(name));
      return new Set([...own, ...scales]);
    }),
  };
}

/** Digests that stand for replaceable tensors: the candidate's beside the parent's. */
interface Replaced {
  readonly pairs: readonly { readonly before: Digest; readonly after: Digest }[];
  readonly digests: ReadonlySet<Digest>;
}

function replacedDigests(
  parent: BundleConfig,
  candidate: BundleConfig,
  replaceable: Replaceable,
): Replaced | undefined {
  if (parent.variants.length !== candidate.variants.length) return undefined;
  const pairs: { before: Digest; after: Digest }[] = [];
  for (const [index, variant] of parent.variants.entries()) {
    const other = candidate.variants[index]?.tensors ?? [];
    for (const [place, { location, digest }] of variant.tensors.entries()) {
      const after = other[place];
      if (after?.location !== location) return undefined;
      if (replaceable.locations[index]?.has(location) === true) {
        pairs.push({ before: digest, after: after.digest });
      }
    }
  }
  const parameters = candidate.training?.parameters ?? [];
  for (const [index, { name, blob }] of (parent.training?.parameters ?? []).entries()) {
    const after = parameters[index]?.blob;
    if (after === undefined) return undefined;
    if (replaceable.parameters.has(name)) pairs.push({ before: blob, after });
  }
  return { pairs, digests: new Set(pairs.flatMap(({ before, after }) => [before, after])) };
}

/** What must be equal, with everything taken out that may differ. */
function fixedPart(config: BundleConfig, replaced: Replaced, replaceable: Replaceable): unknown {
  const {
    version: _version,
    parent: _parent,
    lineage,
    variants,
    training,
    chunks,
    ...rest
  } = config;
  return {
    ...rest,
    license: lineage.license ?? null,
    variants: variants.map(({ evidence: _evidence, tensors, ...variant }, index) => ({
      ...variant,
      tensors: tensors.map(({ location, digest }) => ({
        location,
        digest: replaceable.locations[index]?.has(location) === true ? null : digest,
      })),
    })),
    training:
      training === undefined
        ? null
        : {
            ...training,
            parameters: training.parameters.map(({ blob, ...parameter }) => ({
              ...parameter,
              blob: replaceable.parameters.has(parameter.name) ? null : blob,
            })),
          },
    // Chunk hashes of replaced blobs are as new as the blobs; `decodeBundle` has counted them.
    chunks: chunks.filter(({ digest }) => !replaced.digests.has(digest)),
  };
}

function checkSizes(
  parent: BundleForm,
  candidate: BundleForm,
  { pairs }: Replaced,
): Result<void, CandidateRefusal> {
  const sizeBefore = sizesOf(parent.manifest);
  const sizeAfter = sizesOf(candidate.manifest);
  for (const { before, after } of pairs) {
    if (sizeBefore.get(before) !== sizeAfter.get(after)) {
      return differs(`${after} has another size than ${before}`);
    }
  }
  return ok(undefined);
}

const sizesOf = ({ layers }: OciManifest): ReadonlyMap<Digest, number> =>
  new Map(layers.map(({ digest, size }) => [digest, size]));

/** Reads a blob of either bundle that has been verified by its digest. */
export type ReadBlob = (digest: Digest) => Uint8Array | undefined;

/**
 * Values of what was replaced: finite, and each trainable tensor within the L2 distance that the parent's signature
 * allows. The float32 parameters are measured, and so is what each variant really runs: an int8 tensor at
 * location `<name>` with its float32 scales per column at `<name>_scale`, or float32 at `<name>`.
 */
export function checkCandidateTensors(
  parent: BundleConfig,
  candidate: BundleConfig,
  blobs: ReadBlob,
): Result<void, CandidateRefusal> {
  const measured = [...parameterPairs(parent, candidate), ...variantPairs(parent, candidate)];
  for (const { place, before, after, distanceMax } of measured) {
    const from = valuesOf(before, blobs);
    const to = valuesOf(after, blobs);
    if (from?.length !== to?.length || from === undefined || to === undefined) {
      return differs(`${place} cannot be compared with its parent`);
    }
    const distance = distanceOf(from, to);
    // NaN is in no order, so it is refused here too.
    if (!(distance <= distanceMax)) {
      return refuse(
        'candidate-too-far',
        `${place} is ${distance} from its parent, ${distanceMax} is signed`,
      );
    }
  }
  return ok(undefined);
}

interface Measured {
  readonly place: string;
  readonly before: TensorBlobs;
  readonly after: TensorBlobs;
  readonly distanceMax: number;
}

/** With `scale`, `values` holds int8. */
interface TensorBlobs {
  readonly values: Digest;
  readonly scale?: Digest;
}

function parameterPairs(parent: BundleConfig, candidate: BundleConfig): readonly Measured[] {
  const after = candidate.training?.parameters ?? [];
  return (parent.training?.parameters ?? []).flatMap(({ name, blob, distanceMax }, index) => {
    const other = after[index];
    return other === undefined
      ? []
      : [
          {
            place: `parameter ${name}`,
            before: { values: blob },
            after: { values: other.blob },
            distanceMax,
          },
        ];
  });
}

function variantPairs(parent: BundleConfig, candidate: BundleConfig): readonly Measured[] {
  return parent.variants.flatMap((variant, index) => {
    const before = new Map(variant.tensors.map((tensor) => [tensor.location, tensor.digest]));
    const after = new Map(
      candidate.variants[index]?.tensors.map((tensor) => [tensor.location, tensor.digest]),
    );
    return (parent.training?.parameters ?? []).flatMap(({ name, distanceMax }) => {
      const from = blobsAt(before, name);
      const to = blobsAt(after, name);
      if (from === undefined || to === undefined) return [];
      return [{ place: `${variant.id}/${name}`, before: from, after: to, distanceMax }];
    });
  });
}

function blobsAt(tensors: ReadonlyMap<string, Digest>, name: string): TensorBlobs | undefined {
  const values = tensors.get(name);
  const scale = tensors.get(`${name}_scale`);
  if (values === undefined) return undefined;
  return scale === undefined ? { values } : { values, scale };
}

function valuesOf(tensor: TensorBlobs, blobs: ReadBlob): Float32Array | undefined {
  const values = blobs(tensor.values);
  if (values === undefined) return undefined;
  if (tensor.scale === undefined) return values.length % 4 === 0 ? float32View(values) : undefined;
  const scaleBytes = blobs(tensor.scale);
  if (scaleBytes === undefined || scaleBytes.length === 0 || scaleBytes.length % 4 !== 0) {
    return undefined;
  }
  const scales = float32View(scaleBytes);
  const levels = new Int8Array(values.buffer, values.byteOffset, values.byteLength);
  return Float32Array.from(levels, (level, at) => level * (scales[at % scales.length] ?? NaN));
}

/** L2, summed in float64 in index order. */
function distanceOf(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) {
    const difference = (b[i] ?? NaN) - (a[i] ?? NaN);
    sum += difference * difference;
  }
  return Math.sqrt(sum);
}

const differs = (message: string): Result<never, CandidateRefusal> =>
  refuse('candidate-differs', message);

const refuse = (code: CandidateRefusal['code'], message: string): Result<never, CandidateRefusal> =>
  err({ code, message });
