import { decodeBundle, decodeManifest } from '../../shared/codec/bundle.ts';
import type { OnnxAllowance } from '../../shared/codec/onnx-allowance.ts';
import { guardOnnx } from '../../shared/codec/onnx-guard.ts';
import type { BundleConfig, BundleVariant } from '../../shared/contracts/bundle-config.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { OciManifest } from '../../shared/contracts/oci-manifest.ts';
import type { Facts } from '../../shared/contracts/reported.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import { isOlderVersion } from '../../shared/core/version-order.ts';
import { revokedBundles } from '../../shared/trust/revoked-bundles.ts';
import type { SlotFile } from '../core/store/slot-index.ts';
import { chooseVariant } from '../core/update/choose-variant.ts';
import type { Target } from '../core/update/slot.ts';
import { type BlobFailure, type DownloadWorld, downloadBlob } from './blob-download.ts';
import type { ContentStore } from './content-store.ts';
import type { CandidateGate } from './federation/candidate-gate.ts';
import { readLineages } from './read-lineages.ts';
import type { SlotStore } from './slot-store.ts';
import type { CatalogueFailure, SignedTarget, TrustedCatalogue } from './trusted-catalogue.ts';

export interface InstallerOptions {
  readonly catalogue: TrustedCatalogue;
  readonly content: ContentStore;
  readonly slots: SlotStore;
  readonly download: DownloadWorld;
  /** Bearer for `/v2`, when a session has one. */
  readonly bearer: () => string | undefined;
  readonly candidates: Pick<CandidateGate, 'check'>;
  readonly facts: () => Facts;
  readonly fleet: string;
  readonly agentVersion: string;
  /** The owner's own; nothing more than the default when absent. */
  readonly allow?: OnnxAllowance;
}

/** `isFinal`: the bundle itself is at fault, and trying again would give the same answer. */
export interface InstallFailure {
  readonly code: string;
  readonly message: string;
  readonly isFinal: boolean;
}

export interface InstalledForm {
  readonly manifest: OciManifest;
  readonly config: BundleConfig;
}

export interface InstalledBundle extends InstalledForm {
  readonly variant: BundleVariant;
}

/**
 * From a signed name to a whole slot. Each step may be repeated at any time; what is there already
 * is not fetched again.
 */
export class Installer {
  readonly #options: InstallerOptions;

  constructor(options: InstallerOptions) {
    this.#options = options;
  }

  /** Both signatures must agree on the digest before a byte of the bundle is fetched. */
  async fetch(
    target: Target,
    scope: { readonly trustedNowMs: number; readonly revoked: ReadonlySet<Digest> },
  ): Promise<Result<void, InstallFailure>> {
    const { catalogue } = this.#options;
    const refreshed = await catalogue.refresh({ kind: 'trusted', nowMs: scope.trustedNowMs });
    if (!refreshed.ok) return passing(refreshed.error);
    const signed = await catalogue.lookup(target.path);
    if (!signed.ok) return final(signed.error.code, signed.error.message);
    const mismatch = this.#refusalOf(signed.value, target);
    if (mismatch !== undefined) return mismatch;
    const manifest = await this.#fetchManifest(signed.value);
    if (!manifest.ok) return manifest;
    const config = await this.#fetchConfig(signed.value, manifest.value);
    if (!config.ok) return config;
    const { minAgent } = config.value.config;
    if (isOlderVersion(this.#options.agentVersion, minAgent)) {
      return final('agent-too-old', `${target.path} needs agent ${minAgent}`);
    }
    const { digest } = signed.value;
    if (revokedBundles(scope.revoked, await readLineages(this, [digest])).has(digest)) {
      return final('revoked', `${target.path}, a blob of it or an ancestor is revoked`);
    }
    return this.#fetchBlobs(signed.value, config.value);
  }

  /** Reads the bundle back from disk and lets the guard look at every graph before the runtime sees a byte. */
  async verify(target: Target): Promise<Result<InstalledBundle, InstallFailure>> {
    const bundle = await this.read(target.digest);
    if (!bundle.ok) return bundle;
    const { manifest, variant } = bundle.value;
    const graph = await this.#options.content.readBlob(variant.graph, {
      bytesMax: limits.onnxGraphBytesMax,
    });
    // The disk is at fault, not the bundle: it is fetched again.
    if (!graph.ok) return passing({ code: graph.error.code, message: variant.graph });
    const sizes = new Map(manifest.layers.map((layer) => [layer.digest, layer.size]));
    const blobs = new Map(
      variant.tensors.map(({ location, digest }) => [location, sizes.get(digest) ?? 0]),
    );
    const { allow = {} } = this.#options;
    const guarded = guardOnnx(graph.value, { blobs, allow });
    if (!guarded.ok) return final(guarded.error.code, guarded.error.message);
    return target.path.startsWith('federated/')
      ? this.#checkCandidate(target.digest, bundle.value)
      : bundle;
  }

  /** The delegated key may change nothing but what an offline-signed parent allows. */
  async #checkCandidate(
    digest: Digest,
    bundle: InstalledBundle,
  ): Promise<Result<InstalledBundle, InstallFailure>> {
    const { manifest, config } = bundle;
    const checked = await this.#options.candidates.check({ digest, manifest, config });
    return checked.ok ? ok(bundle) : final(checked.error.code, checked.error.message);
  }

  async stage(target: Target): Promise<Result<void, InstallFailure>> {
    const bundle = await this.read(target.digest);
    if (!bundle.ok) return bundle;
    const name = { app: target.app, digest: target.digest };
    const staged = await this.#options.slots.stage(name, filesOf(target.digest, bundle.value));
    return staged.ok ? ok(undefined) : passing({ code: staged.error.code, message: 'staging' });
  }

  /** The bundle of a manifest digest that is on disk, with the variant this device runs. */
  async read(digest: Digest): Promise<Result<InstalledBundle, InstallFailure>> {
    const bundle = await this.readForm(digest);
    if (!bundle.ok) return bundle;
    const variant = chooseVariant(bundle.value.config, this.#options.facts());
    return variant === undefined
      ? final('no-fitting-variant', 'no variant runs on this device')
      : ok({ ...bundle.value, variant });
  }

  /** As `read`, also of a bundle that would not run here. */
  async readForm(digest: Digest): Promise<Result<InstalledForm, InstallFailure>> {
    const { content } = this.#options;
    const manifestBytes = await content.readBlob(digest, { bytesMax: limits.manifestBytesMax });
    if (!manifestBytes.ok) return passing({ code: manifestBytes.error.code, message: digest });
    const manifest = decodeManifest(manifestBytes.value);
    if (!manifest.ok) return final(manifest.error.code, manifest.error.message);
    const { digest: configDigest } = manifest.value.config;
    const configBytes = await content.readBlob(configDigest, {
      bytesMax: limits.bundleConfigBytesMax,
    });
    if (!configBytes.ok) return passing({ code: configBytes.error.code, message: configDigest });
    const bundle = decodeBundle(manifestBytes.value, configBytes.value);
    return bundle.ok ? bundle : final(bundle.error.code, bundle.error.message);
  }

  #refusalOf(signed: SignedTarget, target: Target): Result<never, InstallFailure> | undefined {
    const { fleet, facts } = this.#options;
    const { custom, digest, rollbackFloor } = signed;
    if (digest !== target.digest) {
      return final('signatures-disagree', `signed is ${digest}, ordered was ${target.digest}`);
    }
    if (custom.name !== target.app)
      return final('target-mismatch', `${target.path} is no ${target.app}`);
    // The delegated key signs its own files: what is old must stay out whoever signs it anew.
    if (custom.releaseCounter < rollbackFloor) {
      const numbers = `counter ${custom.releaseCounter}, floor ${rollbackFloor}`;
      return final('below-rollback-floor', `${target.path} has ${numbers}`);
    }
    if (custom.status !== 'live') return final('target-retired', `${target.path} is retired`);
    if (custom.fleets.length > 0 && !custom.fleets.includes(fleet)) {
      return final('target-not-for-fleet', `${target.path} is not signed for ${fleet}`);
    }
    const known = facts();
    const other = Object.entries(custom.classMatch).find(([name, value]) => known[name] !== value);
    return other === undefined
      ? undefined
      : final('target-not-for-class', `${target.path} wants ${other[0]} = ${other[1]}`);
  }

  async #fetchManifest(signed: SignedTarget): Promise<Result<OciManifest, InstallFailure>> {
    const path = `/v2/${signed.custom.name}/manifests/${signed.digest}`;
    const fetched = await this.#fetchBlob({ digest: signed.digest, bytes: signed.bytes, path });
    if (!fetched.ok) return fetched;
    const bytes = await this.#options.content.readBlob(signed.digest, {
      bytesMax: limits.manifestBytesMax,
    });
    if (!bytes.ok) return passing({ code: bytes.error.code, message: signed.digest });
    const manifest = decodeManifest(bytes.value);
    return manifest.ok ? manifest : final(manifest.error.code, manifest.error.message);
  }

  async #fetchConfig(
    signed: SignedTarget,
    manifest: OciManifest,
  ): Promise<Result<InstalledBundle, InstallFailure>> {
    const { digest, size } = manifest.config;
    const path = blobPathOf(signed, digest);
    const fetched = await this.#fetchBlob({ digest, bytes: size, path });
    return fetched.ok ? this.read(signed.digest) : fetched;
  }

  async #fetchBlobs(
    signed: SignedTarget,
    bundle: InstalledBundle,
  ): Promise<Result<void, InstallFailure>> {
    const sizes = new Map(bundle.manifest.layers.map((layer) => [layer.digest, layer.size]));
    const chunks = new Map(bundle.config.chunks.map((entry) => [entry.digest, entry.sha256]));
    for (const digest of blobsOf(bundle)) {
      const hashes = chunks.get(digest);
      const fetched = await this.#fetchBlob({
        digest,
        bytes: sizes.get(digest) ?? 0,
        path: blobPathOf(signed, digest),
        ...(hashes === undefined ? {} : { chunks: hashes }),
      });
      if (!fetched.ok) return fetched;
    }
    return ok(undefined);
  }

  async #fetchBlob(blob: {
    readonly digest: Digest;
    readonly bytes: number;
    readonly path: string;
    readonly chunks?: readonly string[];
  }): Promise<Result<void, InstallFailure>> {
    const { content, download, bearer } = this.#options;
    if (await content.hasBlob(blob.digest)) return ok(undefined);
    const token = bearer();
    const done = await downloadBlob(download, {
      ...blob,
      timeoutMs: limits.blobTimeoutMs,
      ...(token === undefined ? {} : { bearer: token }),
    });
    return done.ok ? ok(undefined) : failureOf(done.error, blob.digest);
  }
}

/** The first variant whose provider was proven here and that fits into memory; the order is the workshop's choice. */

const blobsOf = ({ config, variant }: InstalledBundle): readonly Digest[] => [
  config.golden.blob,
  variant.graph,
  ...variant.tensors.map((tensor) => tensor.digest),
];

function filesOf(digest: Digest, { manifest, config, variant }: InstalledBundle): SlotFile[] {
  const sizes = new Map(manifest.layers.map((layer) => [layer.digest, layer.size]));
  const file = (name: string, blob: Digest): SlotFile => ({
    name,
    digest: blob,
    bytes: sizes.get(blob) ?? 0,
  });
  return [
    { name: 'manifest.json', digest, bytes: 0 },
    { name: 'config.json', digest: manifest.config.digest, bytes: manifest.config.size },
    file('golden.json', config.golden.blob),
    file('graph.onnx', variant.graph),
    ...variant.tensors.map((tensor) => file(tensor.location, tensor.digest)),
  ];
}

const blobPathOf = ({ custom }: SignedTarget, digest: Digest): string =>
  `/v2/${custom.name}/blobs/${digest}`;

/** Wrong bytes condemn the bundle; everything else about a download may pass. */
function failureOf(failure: BlobFailure, digest: Digest): Result<never, InstallFailure> {
  const numbers = Object.entries(failure.facts).map(([name, value]) => `${name} ${value}`);
  const message = [digest, ...numbers].join(', ');
  return failure.code === 'blob-digest-mismatch'
    ? final(failure.code, message)
    : passing({ code: failure.code, message });
}

const final = (code: string, message: string): Result<never, InstallFailure> =>
  err({ code, message, isFinal: true });

const passing = ({ code, message }: CatalogueFailure): Result<never, InstallFailure> =>
  err({ code, message, isFinal: false });
