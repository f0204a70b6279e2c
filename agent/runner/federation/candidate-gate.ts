import { decodeBundle, decodeManifest } from '../../../shared/codec/bundle.ts';
import {
  type BundleForm,
  checkCandidate,
  checkCandidateTensors,
} from '../../../shared/codec/federated-candidate.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest, FleetId } from '../../../shared/core/ids.ts';
import { isTargetPath } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { SignedTarget, TrustedCatalogue } from '../trusted-catalogue.ts';
import type { FetchFailure, TrainingStore } from './training-store.ts';

export interface CandidateGateOptions {
  readonly catalogue: Pick<TrustedCatalogue, 'lookup'>;
  readonly blobs: TrainingStore;
  readonly fleet: FleetId;
}

/**
 * What a device asks of a bundle that only the delegated key has signed: everything is as in a
 * parent signed offline for
 * this fleet, but the tensors that the parent's own target lists, and those lie within the signed distance. Call it
 * after the download and before staging, for every path below `federated/`.
 */
export class CandidateGate {
  readonly #options: CandidateGateOptions;

  constructor(options: CandidateGateOptions) {
    this.#options = options;
  }

  async check(candidate: BundleForm): Promise<Result<void, FetchFailure>> {
    const signed = await this.#signedParent(candidate);
    if (!signed.ok) return signed;
    const parent = await this.#readParent(signed.value);
    if (!parent.ok) return parent;
    const form = checkCandidate(parent.value, candidate, signed.value.custom.federable ?? []);
    if (!form.ok) return form;
    const read = await this.#readTensors(parent.value, candidate);
    if (!read.ok) return read;
    return checkCandidateTensors(parent.value.config, candidate.config, (digest) =>
      read.value.get(digest),
    );
  }

  /** The path comes from the candidate and proves nothing; the offline signature over its digest does. */
  async #signedParent({ config }: BundleForm): Promise<Result<SignedTarget, FetchFailure>> {
    const path = config.lineage.parameters?.['parent'];
    if (typeof path !== 'string' || !isTargetPath(path) || !path.startsWith('bundles/')) {
      return fail('parent-unknown', 'the candidate names no offline-signed parent');
    }
    const signed = await this.#options.catalogue.lookup(path);
    if (!signed.ok) return fail('parent-unknown', `${path}: ${signed.error.code}`);
    const { digest, custom } = signed.value;
    const isOfFleet = custom.fleets.length === 0 || custom.fleets.includes(this.#options.fleet);
    if (digest !== config.parent || custom.name !== config.name || !isOfFleet) {
      return fail('parent-unknown', `${path} is not its parent`);
    }
    return custom.status === 'live' ? signed : fail('parent-unknown', `${path} is retired`);
  }

  async #readParent(signed: SignedTarget): Promise<Result<BundleForm, FetchFailure>> {
    const { blobs } = this.#options;
    const { digest, bytes, custom } = signed;
    const path = `/v2/${custom.name}/manifests/${digest}`;
    const manifestBytes = await blobs.readBlob({
      digest,
      bytes: Math.min(bytes, limits.manifestBytesMax),
      path,
    });
    if (!manifestBytes.ok) return manifestBytes;
    const config = configOf(manifestBytes.value);
    if (config === undefined) return fail('bundle-inconsistent', `${digest} is no manifest`);
    const configBytes = await blobs.readBlob({
      ...config,
      path: `/v2/${custom.name}/blobs/${config.digest}`,
    });
    if (!configBytes.ok) return configBytes;
    const bundle = decodeBundle(manifestBytes.value, configBytes.value);
    return bundle.ok
      ? ok({ digest, ...bundle.value })
      : fail(bundle.error.code, bundle.error.message);
  }

  /** The tensors that differ, and what they are measured against. */
  async #readTensors(
    parent: BundleForm,
    candidate: BundleForm,
  ): Promise<Result<ReadonlyMap<Digest, Uint8Array>, FetchFailure>> {
    const read = new Map<Digest, Uint8Array>();
    for (const bundle of [parent, candidate]) {
      for (const digest of measuredBlobs(bundle, parent)) {
        if (read.has(digest)) continue;
        const bytes = await this.#options.blobs.read(bundle, digest);
        if (!bytes.ok) return bytes;
        read.set(digest, bytes.value);
      }
    }
    return ok(read);
  }
}

/** Parameters, and each variant's tensors at their names. */
function measuredBlobs({ config }: BundleForm, parent: BundleForm): readonly Digest[] {
  const names = (parent.config.training?.parameters ?? []).flatMap(({ name }) => [
    name,
    `${name}_scale`,
  ]);
  return [
    ...(config.training?.parameters ?? []).map(({ blob }) => blob),
    ...config.variants.flatMap(({ tensors }) =>
      tensors.filter(({ location }) => names.includes(location)).map(({ digest }) => digest),
    ),
  ];
}

function configOf(
  manifestBytes: Uint8Array,
): { readonly digest: Digest; readonly bytes: number } | undefined {
  const manifest = decodeManifest(manifestBytes);
  if (!manifest.ok) return undefined;
  const { digest, size } = manifest.value.config;
  return { digest, bytes: Math.min(size, limits.bundleConfigBytesMax) };
}

const fail = (code: string, message: string): Result<never, FetchFailure> => err({ code, message });
