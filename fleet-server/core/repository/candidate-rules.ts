import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import type { OciManifest } from '../../../shared/contracts/oci-manifest.ts';
import { canonicalJson, type Json } from '../../../shared/core/canonical-json.ts';
import { ok, type Result } from '../../../shared/core/result.ts';
import { type RepositoryRefusal, refuse } from './repository-refusal.ts';

export interface CandidateBundle {
  readonly manifest: OciManifest;
  readonly config: BundleConfig;
}

/**
 * A federated candidate against its offline-signed parent: all but the listed tensors is the same program. What may
 * also differ describes the new weights (version, evidence, profile, lineage, chunk hashes). Distances are not judged
 * here: a device measures them, because a stolen server would not.
 */
export function checkCandidate(
  parent: CandidateBundle,
  candidate: CandidateBundle,
  federable: readonly string[],
): Result<void, RepositoryRefusal> {
  const same = canonicalJson(fixedPart(parent.config, federable) as Json);
  if (canonicalJson(fixedPart(candidate.config, federable) as Json) !== same) {
    return refuse('candidate-differs', 'the configuration differs in more than federable tensors');
  }
  const before = replaceableSizes(parent, federable);
  for (const [place, bytes] of replaceableSizes(candidate, federable)) {
    if (before.get(place) !== bytes) {
      return refuse(
        'candidate-differs',
        `${place} has ${bytes} bytes, ${before.get(place) ?? 0} before`,
      );
    }
  }
  return ok(undefined);
}

function fixedPart(config: BundleConfig, federable: readonly string[]): unknown {
  const { version: _v, parent: _p, profile: _f, lineage: _l, chunks: _c, ...rest } = config;
  const { variants, training } = rest;
  return {
    ...rest,
    variants: variants.map(({ evidence: _e, tensors, ...variant }) => ({
      ...variant,
      tensors: tensors.map(({ location, digest }) => ({
        location,
        digest: federable.includes(location) ? '' : digest,
      })),
    })),
    ...(training === undefined
      ? {}
      : {
          training: {
            ...training,
            parameters: training.parameters.map(({ blob: _b, ...parameter }) => parameter),
          },
        }),
  };
}

function replaceableSizes(
  { manifest, config }: CandidateBundle,
  federable: readonly string[],
): ReadonlyMap<string, number> {
  const sizes = new Map(manifest.layers.map(({ digest, size }) => [digest, size]));
  const places = new Map<string, number>();
  for (const { id, tensors } of config.variants) {
    for (const { location, digest } of tensors) {
      if (federable.includes(location)) places.set(`${id}/${location}`, sizes.get(digest) ?? 0);
    }
  }
  for (const { name, blob } of config.training?.parameters ?? []) {
    places.set(`training/${name}`, sizes.get(blob) ?? 0);
  }
  return places;
}
