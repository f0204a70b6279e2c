import { decodeBundle, decodeGolden } from '../../shared/codec/bundle.ts';
import {
  type CandidateRefusal,
  checkCandidate,
  checkCandidateTensors,
} from '../../shared/codec/federated-candidate.ts';
import { float32View } from '../../shared/codec/federated-update.ts';
import type { BundleConfig } from '../../shared/contracts/bundle-config.ts';
import type { CandidateEvidence, CandidateJob } from '../../shared/contracts/federation.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { mediaTypes, type OciManifest } from '../../shared/contracts/oci-manifest.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import { digestOf, sha256Hex } from '../../shared/trust/hash.ts';
import type { PackedBundle } from '../pack/pack-bundle.ts';
import type { Bench } from './bench.ts';
import { evaluateGraph, type GraphFacts, isBetter } from './candidate-evaluation.ts';
import { type RecipeRefusal, remakeTensors } from './candidate-tensors.ts';
import type { HeldOutSet } from './held-out-set.ts';

export interface CandidateInputs {
  readonly job: CandidateJob;
  /** Signed offline: what is not trained is taken from here. */
  readonly parent: PackedBundle;
  /** What the devices learned from: the parent, or an earlier candidate of it. */
  readonly base: PackedBundle;
  /** Averaged parameters, float32, one tensor after the other in declared order. */
  readonly parameters: Uint8Array;
  readonly heldOut: HeldOutSet;
  readonly bench: Bench;
}

export type BuildRefusal = (
  | RecipeRefusal
  | CandidateRefusal
  | {
      readonly code: 'candidate-not-better' | 'candidate-golden-mismatch' | 'update-shape-mismatch';
      readonly message: string;
    }
) & { readonly evidence?: CandidateEvidence };

export interface BuiltCandidate {
  readonly bundle: PackedBundle;
  readonly evidence: CandidateEvidence;
}

/**
 * A candidate of averaged parameters: each variant is quantized again, measured beside the one it learned from on
 * held-out inputs and on the parent's golden vectors, and packed with everything else byte for byte as signed offline.
 * It must pass what a device will ask before it is handed out.
 */
export async function buildCandidate(
  inputs: CandidateInputs,
): Promise<Result<BuiltCandidate, BuildRefusal>> {
  const { parent, base, heldOut, bench } = inputs;
  const { training } = parent.config;
  if (training === undefined) return refuse('not-federable', 'the parent has no training graph');
  const parameters = splitParameters(training, inputs.parameters);
  if (parameters === undefined) return refuse('update-shape-mismatch', 'parameters.bin');
  const goldenBytes = parent.blobs.get(parent.config.golden.blob);
  const golden = goldenBytes === undefined ? undefined : decodeGolden(goldenBytes);
  invariant(golden?.ok === true, 'a bundle that was read has golden vectors');
  const sets = { bench, heldOut, golden: golden.value };

  const variants: RemadeVariant[] = [];
  let evidence: CandidateEvidence | undefined;
  for (const variant of parent.config.variants) {
    const made = remakeTensors(parent, variant, parameters);
    if (!made.ok) return made;
    const graph = parent.blobs.get(variant.graph) ?? new Uint8Array();
    const before = tensorsOf(base, variant.id);
    if (before === undefined)
      return refuse('candidate-recipe-unknown', `no ${variant.id} in its base`);
    const after = new Map([...before, ...made.value]);
    const baseFacts = await evaluateGraph(parent.config, { graph, tensors: before }, sets);
    const facts = await evaluateGraph(parent.config, { graph, tensors: after }, sets);
    evidence = evidenceOf(baseFacts, facts);
    const problem = judge(parent.config, baseFacts, facts);
    if (problem !== undefined) return err({ ...problem, evidence });
    variants.push({ made: made.value, facts });
  }
  invariant(evidence !== undefined, 'a bundle has a variant');
  const bundle = repack(inputs, { variants, parameters });
  const checked = checkBuilt(parent, bundle);
  return checked.ok ? ok({ bundle, evidence }) : err({ ...checked.error, evidence });
}

/** The files beside a variant's graph, by location. */
function tensorsOf(
  { config, blobs }: PackedBundle,
  variant: string,
): ReadonlyMap<string, Uint8Array> | undefined {
  const tensors = config.variants.find(({ id }) => id === variant)?.tensors;
  return (
    tensors &&
    new Map(
      tensors.map(({ location, digest }) => [location, blobs.get(digest) ?? new Uint8Array()]),
    )
  );
}

interface RemadeVariant {
  readonly made: ReadonlyMap<string, Uint8Array>;
  readonly facts: GraphFacts;
}

function splitParameters(
  training: NonNullable<BundleConfig['training']>,
  bytes: Uint8Array,
): readonly Float32Array[] | undefined {
  const counts = training.parameters.map(({ shape }) => shape.reduce((all, n) => all * n, 1));
  if (bytes.length !== 4 * counts.reduce((sum, count) => sum + count, 0)) return undefined;
  const values = float32View(bytes);
  let from = 0;
  return counts.map((count) => {
    from += count;
    return values.slice(from - count, from);
  });
}

const evidenceOf = (base: GraphFacts, candidate: GraphFacts): CandidateEvidence => ({
  n: candidate.accuracy.n,
  base: { correct: base.accuracy.correct, logLoss: base.accuracy.logLoss },
  candidate: { correct: candidate.accuracy.correct, logLoss: candidate.accuracy.logLoss },
  ...candidate.golden,
});

function judge(
  config: BundleConfig,
  base: GraphFacts,
  candidate: GraphFacts,
): BuildRefusal | undefined {
  const { goldenDifference } = candidate.golden;
  const tolerance =
    config.golden.tolerance.find(({ provider }) => provider === 'cpu')?.absolute ?? 0;
  if (!(goldenDifference <= tolerance)) {
    return {
      code: 'candidate-golden-mismatch',
      message: `a golden output moved by ${goldenDifference}, ${tolerance} is signed`,
    };
  }
  if (isBetter(candidate.accuracy, base.accuracy)) return undefined;
  return {
    code: 'candidate-not-better',
    message: `${candidate.accuracy.correct} of ${candidate.accuracy.n} right, ${base.accuracy.correct} of the one it learned from`,
  };
}

/** The parent's configuration and manifest with new digests in the places of the old ones. */
function repack(
  { job, parent, bench }: CandidateInputs,
  remade: {
    readonly variants: readonly RemadeVariant[];
    readonly parameters: readonly Float32Array[];
  },
): PackedBundle {
  const fresh = new Map<Digest, Uint8Array>();
  const add = (bytes: Uint8Array): Digest => {
    const digest = digestOf(bytes);
    fresh.set(digest, bytes);
    return digest;
  };
  const { training, variants, lineage } = parent.config;
  invariant(training !== undefined, 'checked before');
  const renewed: BundleConfig = {
    ...parent.config,
    version: job.version,
    parent: parent.digest,
    variants: variants.map((variant, index) => ({
      ...variant,
      tensors: variant.tensors.map(({ location, digest }) => {
        const bytes = remade.variants[index]?.made.get(location);
        return { location, digest: bytes === undefined ? digest : add(bytes) };
      }),
      evidence: variantEvidence(variant.evidence, {
        facts: remade.variants[index]?.facts,
        machineClass: bench.machineClass,
      }),
    })),
    training: {
      ...training,
      parameters: training.parameters.map((parameter, index) => ({
        ...parameter,
        blob: add(new Uint8Array((remade.parameters[index] ?? new Float32Array()).slice().buffer)),
      })),
    },
    lineage: {
      ...(lineage.license === undefined ? {} : { license: lineage.license }),
      round: job.round,
      parameters: { parent: job.parent, base: job.base, devices: job.devices },
      createdAtMs: job.createdAtMs,
    },
  };
  return packAround(parent, renewed, fresh);
}

function packAround(
  parent: PackedBundle,
  renewed: BundleConfig,
  fresh: ReadonlyMap<Digest, Uint8Array>,
): PackedBundle {
  const before = decodeBundle(parent.manifest, configBytesOf(parent));
  invariant(before.ok, 'the parent was read whole');
  const used = new Set(digestsOf(renewed));
  const kept = before.value.manifest.layers.filter(({ digest }) => used.has(digest));
  const added = [...fresh]
    .filter(([digest]) => !kept.some((layer) => layer.digest === digest))
    .map(([digest, bytes]) => ({ mediaType: mediaTypes.tensor, digest, size: bytes.length }));
  const layers = [...kept, ...added].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const config: BundleConfig = {
    ...renewed,
    chunks: [
      ...parent.config.chunks.filter(({ digest }) => used.has(digest)),
      ...added.flatMap(({ digest, size }) =>
        size > limits.chunkBytes
          ? [{ digest, sha256: chunkHashes(fresh.get(digest) ?? new Uint8Array()) }]
          : [],
      ),
    ].sort((a, b) => (a.digest < b.digest ? -1 : 1)),
  };
  const configBytes = utf8(canonicalJson(config));
  const configDigest = digestOf(configBytes);
  const manifest: OciManifest = {
    ...before.value.manifest,
    config: { mediaType: mediaTypes.config, digest: configDigest, size: configBytes.length },
    layers,
    annotations: {
      ...before.value.manifest.annotations,
      'org.opencontainers.image.version': config.version,
    },
  };
  const manifestBytes = utf8(canonicalJson(manifest));
  const blobs = new Map<Digest, Uint8Array>([[configDigest, configBytes]]);
  for (const { digest } of layers) {
    const bytes = fresh.get(digest) ?? parent.blobs.get(digest);
    invariant(bytes !== undefined, `${digest} is nowhere`);
    blobs.set(digest, bytes);
  }
  return { digest: digestOf(manifestBytes), manifest: manifestBytes, config, blobs };
}

/** The same two questions that a device asks, before anybody signs. */
function checkBuilt(parent: PackedBundle, built: PackedBundle): Result<void, CandidateRefusal> {
  const [before, after] = [parent, built].map(({ digest, manifest, ...bundle }) => {
    const decoded = decodeBundle(manifest, configBytesOf({ manifest, ...bundle }));
    invariant(decoded.ok, `${digest} is inconsistent`);
    return { digest, ...decoded.value };
  });
  invariant(before !== undefined && after !== undefined, 'two bundles were given');
  const federable = (parent.config.training?.parameters ?? []).flatMap(({ name }) => [
    name,
    `${name}_scale`,
  ]);
  const form = checkCandidate(before, after, federable);
  if (!form.ok) return form;
  return checkCandidateTensors(
    before.config,
    after.config,
    (digest) => built.blobs.get(digest) ?? parent.blobs.get(digest),
  );
}

function configBytesOf({ manifest, blobs }: Pick<PackedBundle, 'manifest' | 'blobs'>): Uint8Array {
  const { config } = JSON.parse(Buffer.from(manifest).toString()) as OciManifest;
  return blobs.get(config.digest) ?? new Uint8Array();
}

const digestsOf = (config: BundleConfig): Digest[] => [
  config.golden.blob,
  ...config.variants.flatMap(({ graph, tensors }) => [graph, ...tensors.map((t) => t.digest)]),
  ...(config.training === undefined
    ? []
    : [config.training.graph, ...config.training.parameters.map(({ blob }) => blob)]),
];

function chunkHashes(bytes: Uint8Array): string[] {
  const hashes: string[] = [];
  for (let from = 0; from < bytes.length; from += limits.chunkBytes) {
    hashes.push(sha256Hex(bytes.subarray(from, from + limits.chunkBytes)));
  }
  return hashes;
}

/** Sizes stay; agreement is with the parent's golden answers, the reference that a candidate is held to. */
function variantEvidence(
  before: BundleConfig['variants'][number]['evidence'],
  measured: { readonly facts: GraphFacts | undefined; readonly machineClass: string },
): BundleConfig['variants'][number]['evidence'] {
  const { facts, machineClass } = measured;
  if (facts === undefined) return before;
  const { estimate, low, high, n } = facts.accuracy;
  return {
    ...before,
    agreement: facts.golden.goldenAgreement,
    accuracy: { estimate, low, high, n, set: 'held-out-gate' },
    latencyP50Ms: facts.latencyP50Ms,
    machineClass,
  };
}

const refuse = (
  code: 'not-federable' | 'update-shape-mismatch' | 'candidate-recipe-unknown',
  message: string,
): Result<never, BuildRefusal> => err({ code, message });
