import type { OnnxAllowance } from '../../shared/codec/onnx-allowance.ts';
import type { DirectorKeys } from '../../shared/contracts/bundle-config.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { streamOf } from '../../shared/core/byte-stream.ts';
import { equalBytes } from '../../shared/core/bytes.ts';
import type { Digest, FleetId, TargetPath } from '../../shared/core/ids.ts';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { KeyStore } from '../../shared/ports/key-store.ts';
import type { Log } from '../../shared/ports/log.ts';
import { digestOf, sha256Hex } from '../../shared/trust/hash.ts';
import { digestOfTarget } from '../../shared/trust/tuf/file-hash.ts';
import type { TargetFile } from '../../shared/trust/tuf/metadata.ts';
import { remoteMetadataName } from '../../shared/trust/tuf/metadata-name.ts';
import { collect } from '../../shared/trust/tuf/metadata-source.ts';
import { verifyFirstRoot } from '../../shared/trust/tuf/verify-metadata.ts';
import { acceptRoot } from '../core/repository/accept-root.ts';
import { fixedTargets } from '../core/repository/accept-targets.ts';
import type { OnlineLives } from '../core/repository/next-metadata.ts';
import { refusalOfOnlineKeys } from '../core/repository/online-keys.ts';
import type { Release, TargetsFacts } from '../core/repository/release-rules.ts';
import { type RepositoryRefusal, refuse } from '../core/repository/repository-refusal.ts';
import type { TrustedMetadata } from '../core/repository/trusted-metadata.ts';
import { federatedRole, fleetOfRole, parseUploadName } from '../core/repository/upload-name.ts';
import type { BlobRefusal, BlobStore } from '../ports/blob-store.ts';
import type { Store } from '../ports/store.ts';
import { BundleKeeper, listRevivable } from './repository/bundle-keeper.ts';
import { BundleLineages } from './repository/bundle-lineages.ts';
import { nextFederatedFile, renewFederatedFiles } from './repository/federated-file.ts';
import { planDelegated, planTopLevel } from './repository/plan-targets.ts';
import { PublicationQueue } from './repository/publication-queue.ts';
import {
  decodeDirectorKeys,
  decodeRevoked,
  readReleases,
  readTargetsFacts,
} from './repository/read-targets-facts.ts';
import { registerReleases } from './repository/register-releases.ts';
import { RegistryReader } from './repository/registry-reader.ts';
import { RepositoryFiles } from './repository/repository-files.ts';
import { findRevocations, type Revocations } from './repository/revocation-reach.ts';
import { readDelegated } from './repository/stored-metadata.ts';
import { UploadShelf, type UploadTerms } from './repository/upload-shelf.ts';

export interface ImageRepositoryPorts {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly keys: KeyStore;
  readonly clock: Clock;
}

export interface ImageRepositoryOptions {
  /** Root metadata that the operator put beside the server; never taken over the network. */
  readonly firstRoot: Uint8Array;
  readonly lives?: OnlineLives;
  /** Content of bundles that nobody needs is kept this long; `limits.bundleDaysKept` when absent. */
  readonly bundleDaysKept?: number;
  /** What graphs of published bundles may hold beyond what every device accepts; nothing when absent. */
  readonly onnx?: OnnxAllowance;
}

export interface MetadataUpload {
  /** `<version>.root.json`, `<version>.targets.json`, `<version>.federated-<fleet>.json`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Who publishes, for the audit chain. */
  readonly actor: string;
}

export interface Published {
  readonly name: string;
  /** False: these very bytes were served already. */
  readonly isNew: boolean;
}

type Outcome = Promise<Result<Published, RepositoryRefusal>>;

/**
 * The truth about which programs exist, as signed offline. Publishing runs one at a time; reading never waits for it.
 * Expected refusals are results; a failing store or disk throws.
 */
export class ImageRepository {
  readonly registry: RegistryReader;
  readonly #ports: ImageRepositoryPorts;
  readonly #files: RepositoryFiles;
  readonly #uploads: UploadShelf;
  readonly #lineages: BundleLineages;
  readonly #keeper: BundleKeeper;
  readonly #onnx: OnnxAllowance;
  #facts: TargetsFacts | undefined;
  #revocations: Revocations = { stopped: new Set(), listed: new Set() };
  readonly #queue = new PublicationQueue();

  private constructor(
    ports: ImageRepositoryPorts,
    files: RepositoryFiles,
    { bundleDaysKept: daysKept = limits.bundleDaysKept, onnx = {} }: ImageRepositoryOptions,
  ) {
    const { store, clock } = ports;
    this.#onnx = onnx;
    this.#ports = ports;
    this.#files = files;
    this.#uploads = new UploadShelf(ports);
    this.#lineages = new BundleLineages(ports.blobs);
    this.#keeper = new BundleKeeper({ store, clock, lineages: this.#lineages, daysKept });
    this.registry = new RegistryReader(ports);
  }

  /** Throws `root-mismatch`, `online-key-unlisted`, `key-in-two-roles` when it must not serve like this. */
  static async open(
    ports: ImageRepositoryPorts,
    options: ImageRepositoryOptions,
  ): Promise<ImageRepository> {
    const first = verifyFirstRoot(options.firstRoot);
    if (!first.ok) throw new OperatingError('root-mismatch', first.error.message);
    const firstRootVersion = first.value.body.version;
    const files = new RepositoryFiles(ports, {
      lives: options.lives ?? limits,
      firstRootVersion,
    });
    const stored = await files.read(remoteMetadataName('root', firstRootVersion));
    if (stored === undefined) await files.writeFirstRoot(first.value);
    else if (!equalBytes(stored, options.firstRoot)) {
      throw new OperatingError('root-mismatch', `root ${firstRootVersion} differs from the stored`);
    }
    const { root } = await files.load();
    const refusal = refusalOfOnlineKeys(root.body, files.publicKeys);
    if (refusal !== undefined) throw new OperatingError(refusal.code, refusal.message);
    const repository = new ImageRepository(ports, files, options);
    await repository.#readFacts();
    return repository;
  }

  /** Keys of `director.json` as signed now; undefined before the first targets file. */
  get directorKeys(): DirectorKeys | undefined {
    return this.#facts?.director;
  }

  /**
   * What `revoked.json` stops now: what it lists, and every signed bundle that has a listed blob or descends from a
   * revoked one. What it only wants replaced goes on where it is, so no order takes it back.
   */
  get revoked(): ReadonlySet<Digest> {
    return this.#revocations.stopped;
  }

  /** Expiry of each role that is served, to warn 30, 7 and 1 days before. */
  async expiries(): Promise<ReadonlyMap<string, number>> {
    const { root, targets, snapshot, timestamp } = await this.#files.load();
    const served = [root, targets, snapshot, timestamp].filter((file) => file !== undefined);
    return new Map(served.map(({ body }) => [body.kind, body.expiresAtMs]));
  }

  /** Bundles that offline keys have signed, of every fleet. */
  get signedReleases(): readonly Release[] {
    return [...(this.#facts?.releases.values() ?? [])];
  }

  /** Candidates that the delegated key of a fleet has signed. */
  async federatedReleases(fleet: FleetId): Promise<readonly Release[]> {
    return this.#releasesOf(federatedRole(fleet), await this.#files.load());
  }

  /** Keeps a blob that no bundle names yet. Codes: `too-large`, `upload-digest-mismatch`. */
  async putBlob(
    digest: Digest,
    body: AsyncIterable<Uint8Array>,
    terms?: UploadTerms,
  ): Promise<Result<number, BlobRefusal>> {
    return this.#uploads.put(digest, body, terms);
  }

  /** Keeps `director.json` or `revoked.json` until a targets file names it; only then is it served. */
  async putFixedTarget(
    name: string,
    bytes: Uint8Array,
  ): Promise<Result<Digest, RepositoryRefusal>> {
    const known = fixedTargets.find((fixed) => fixed === name);
    if (known === undefined) return refuse('metadata-name-refused', `${name} is no fixed target`);
    const decoded = known === 'director.json' ? decodeDirectorKeys(bytes) : decodeRevoked(bytes);
    if (!decoded.ok) return refuse(decoded.error.code, `${name}: ${decoded.error.message}`);
    const digest = digestOf(bytes);
    const put = await this.putBlob(digest, streamOf(bytes));
    return put.ok ? ok(digest) : put;
  }

  /** Accepts what is signed and next, and serves it; the same bytes again change nothing. */
  async publishMetadata(upload: MetadataUpload): Outcome {
    return this.#queue.alone(() => this.#publish(upload));
  }

  /** Signs one more candidate of a federated round with the delegated key, and publishes it. */
  async publishCandidate(candidate: Parameters<typeof nextFederatedFile>[1]): Outcome {
    return this.#queue.alone(async () => {
      const trusted = await this.#files.load();
      const file = await nextFederatedFile({ ...this.#ports, trusted }, candidate);
      return file.ok ? this.#publish({ ...file.value, actor: candidate.actor }) : file;
    });
  }

  /** Signs timestamp and snapshot again past half of their life, and candidates after a change of key. */
  async renew(): Promise<boolean> {
    return this.#queue.alone(async () => {
      const isRenewed = await this.#files.renew();
      const world = { ...this.#ports, load: () => this.#files.load() };
      return (await renewFederatedFiles(world, (file) => this.#publish(file))) || isRenewed;
    });
  }

  /** Removes one batch of uploads that no bundle came for. Returns how many. */
  async collectGarbage(): Promise<number> {
    return this.#queue.alone(() => this.#uploads.collect());
  }

  /**
   * Lets go of the content of retired bundles that nobody needs; `collectGarbage` removes it. Devices are looked
   * through while publications go on, and each bundle is then let go between two of them. Returns the paths.
   */
  async releaseContent(signal?: AbortSignal): Promise<readonly TargetPath[]> {
    return this.#keeper.releaseAll(
      (release) =>
        this.#queue.alone(async () => release(await this.#signed(await this.#files.load()))),
      signal,
    );
  }

  /** Looks from time to time whether something has to be renewed or removed, until the signal aborts. */
  async keepFresh(signal: AbortSignal, log: Log): Promise<void> {
    const { clock } = this.#ports;
    let releaseAtMs = clock.monotonicMs();
    while (!signal.aborted) {
      try {
        await this.renew();
        await this.collectGarbage();
        if (clock.monotonicMs() >= releaseAtMs) {
          releaseAtMs = clock.monotonicMs() + limits.bundleLookMs;
          const paths = await this.releaseContent(signal);
          const bundles = paths.length;
          if (bundles > 0) log.info({ event: 'content-released', bundles, paths }, 'unneeded');
        }
      } catch (error) {
        const fields = { event: 'renewal-failed', code: codeOf(error), error };
        log.error(fields, 'the repository was not renewed or cleaned; the next look tries again');
      }
      await clock.sleepUntil(clock.monotonicMs() + limits.renewLookMs, signal);
    }
  }

  /** A metadata file by its served name, or a fixed target as `targets/<sha256>.<name>`. */
  async readMetadata(name: string): Promise<Uint8Array | undefined> {
    return this.#files.read(name);
  }

  async #publish(upload: MetadataUpload): Outcome {
    const { name, bytes } = upload;
    const parsed = parseUploadName(name);
    if (!parsed.ok) return parsed;
    const { role } = parsed.value;
    const bytesMax = role === 'root' ? limits.tufRootBytesMax : limits.tufTargetsBytesMax;
    if (bytes.length > bytesMax)
      return refuse('too-large', `${name} has at most ${bytesMax} bytes`);
    const served = await this.#files.read(name);
    if (served !== undefined) {
      return equalBytes(served, bytes)
        ? ok({ name, isNew: false })
        : refuse('metadata-not-next', `${name} was published with other content`);
    }
    const trusted = await this.#files.load();
    return role === 'root'
      ? this.#publishRoot(upload, trusted)
      : this.#publishTargets(upload, { role, trusted });
  }

  async #publishRoot(upload: MetadataUpload, trusted: TrustedMetadata): Outcome {
    const accepted = acceptRoot(upload.bytes, trusted.root.body, {
      keys: this.#files.publicKeys,
      nowMs: this.#ports.clock.nowMs(),
    });
    if (!accepted.ok) return accepted;
    const misnamed = refusalOfName(upload.name, 'root', accepted.value.body.version);
    if (misnamed !== undefined) return err(misnamed);
    const next = { ...trusted, root: accepted.value };
    await this.#files.publish(next, {
      ...upload,
      role: 'root',
      fixed: new Map(),
      details: { sha256: sha256Hex(upload.bytes) },
      effects: async () => undefined,
    });
    return ok({ name: upload.name, isNew: true });
  }

  async #publishTargets(
    upload: MetadataUpload,
    { role, trusted }: { readonly role: string; readonly trusted: TrustedMetadata },
  ): Outcome {
    const plan = await this.#plan(upload.bytes, role, trusted);
    if (!plan.ok) return plan;
    const { file, facts, added, revived } = plan.value;
    const misnamed = refusalOfName(upload.name, role, file.body.version);
    if (misnamed !== undefined) return err(misnamed);
    const fixed = new Map<string, Uint8Array>();
    for (const name of fixedTargets) {
      const target = file.body.targets.get(name);
      const bytes = target === undefined ? undefined : await this.#readFixed(target);
      if (bytes !== undefined) fixed.set(`targets/${sha256Hex(bytes)}.${name}`, bytes);
    }
    const others = await this.#candidates(trusted);
    const revocations = await this.#revocationsIn(facts, others);
    const checked = new Map([...added, ...revived]);
    const registration = { next: facts, checked, others, revoked: revocations.listed };
    const details = {
      ...{ sha256: sha256Hex(upload.bytes), added: [...added.keys()] },
      ...(revived.size === 0 ? {} : { revived: [...revived.keys()] }),
    };
    await this.#files.publish(trusted, {
      ...upload,
      role,
      fixed,
      details,
      effects: (tx, nowMs) => registerReleases(tx, { ...registration, nowMs }),
    });
    this.#revocations = revocations;
    if (role === 'targets') this.#facts = facts;
    return ok({ name: upload.name, isNew: true });
  }

  async #plan(bytes: Uint8Array, role: string, trusted: TrustedMetadata) {
    const context = {
      ...{ trusted, facts: this.#facts, blobs: this.#ports.blobs, onnx: this.#onnx },
      readFixed: (target: TargetFile) => this.#readFixed(target),
      listReleased: (paths: readonly TargetPath[]) => listRevivable(this.#ports.store, paths),
      nowMs: this.#ports.clock.nowMs(),
    };
    const fleet = fleetOfRole(role);
    if (fleet === undefined) return planTopLevel(bytes, context);
    const before = await this.#ports.store.read((view) =>
      readDelegated(view.tufFiles, role, trusted),
    );
    return planDelegated(fleet, { bytes, role, before }, context);
  }

  /** What the list means among what is signed already and what these facts add. */
  async #revocationsIn(facts: TargetsFacts, candidates: readonly Release[]): Promise<Revocations> {
    const releases = [...this.signedReleases, ...facts.releases.values(), ...candidates];
    return findRevocations(facts.revoked, releases, this.#lineages);
  }

  /** Everything that is signed, offline or by a delegated key. */
  async #signed(trusted: TrustedMetadata): Promise<readonly Release[]> {
    return [...this.signedReleases, ...(await this.#candidates(trusted))];
  }

  /** Of all fleets, as the delegated keys have signed them. */
  async #candidates(trusted: TrustedMetadata): Promise<readonly Release[]> {
    const roles = trusted.targets?.body.delegations?.roles ?? [];
    const signed: Release[] = [];
    for (const { name } of roles) signed.push(...(await this.#releasesOf(name, trusted)));
    return signed;
  }

  async #releasesOf(role: string, trusted: TrustedMetadata): Promise<readonly Release[]> {
    const file = await this.#ports.store.read((view) =>
      readDelegated(view.tufFiles, role, trusted),
    );
    const releases = file === undefined ? undefined : readReleases(file.body);
    if (releases?.ok === false) throw new OperatingError('store-corrupt', releases.error.message);
    return [...(releases?.value.values() ?? [])];
  }

  async #readFacts(): Promise<void> {
    const trusted = await this.#files.load();
    if (trusted.targets === undefined) return;
    const facts = await readTargetsFacts(trusted.targets, (target) => this.#readFixed(target));
    if (!facts.ok) throw new OperatingError('store-corrupt', facts.error.message);
    this.#facts = facts.value;
    this.#revocations = await this.#revocationsIn(facts.value, await this.#candidates(trusted));
  }

  /** As served already, or as uploaded for the file that is about to be published. */
  async #readFixed(target: TargetFile): Promise<Uint8Array | undefined> {
    const digest = digestOfTarget(target);
    if (digest === undefined || target.length > limits.fixedTargetBytesMax) return undefined;
    const served = await this.#files.read(
      `targets/${digest.slice('sha256:'.length)}.${target.path}`,
    );
    if (served !== undefined) return served;
    const size = await this.#ports.blobs.size(digest);
    const body = size === target.length ? await this.#ports.blobs.read(digest) : undefined;
    return body === undefined ? undefined : collect(body, limits.fixedTargetBytesMax);
  }
}

/** A file under another version's name would never be asked for. */
function refusalOfName(name: string, role: string, version: number): RepositoryRefusal | undefined {
  return name === remoteMetadataName(role, version)
    ? undefined
    : { code: 'metadata-not-next', message: `${name} holds version ${version}` };
}
