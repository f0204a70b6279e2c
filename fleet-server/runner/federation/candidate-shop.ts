import { decodeBundle, decodeManifest } from '../../../shared/codec/bundle.ts';
import { float32View } from '../../../shared/codec/federated-update.ts';
import type { BundleConfig, TargetCustom } from '../../../shared/contracts/bundle-config.ts';
import type { RoundRequest } from '../../../shared/contracts/federation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { RolloutPolicy } from '../../../shared/contracts/rollout.ts';
import { readAll } from '../../../shared/core/byte-stream.ts';
import { concatBytes } from '../../../shared/core/bytes.ts';
import type { Digest, FleetId, RolloutId, TargetPath } from '../../../shared/core/ids.ts';
import { codeOf } from '../../../shared/core/operating-error.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { Log } from '../../../shared/ports/log.ts';
import type { KnownRelease } from '../../core/federation/next-release.ts';
import type {
  Candidate,
  RoundEvent,
  RoundPlan,
  RoundState,
} from '../../core/federation/round-state.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import type { BuiltCandidate, CandidateBuilder } from '../../ports/candidate-builder.ts';

/** Signs with the delegated key and publishes; the image repository is one. Repeating it changes nothing. */
export interface CandidatePublisher {
  publishCandidate(candidate: {
    readonly fleet: FleetId;
    readonly digest: Digest;
    readonly custom: TargetCustom;
    readonly actor: string;
  }): Promise<Result<unknown, { readonly code: string; readonly message: string }>>;
}

/** What the round has to know of releases and rollouts; both live in other rooms. */
export interface CandidateRoads {
  /** `custom` of a live offline-signed bundle of this fleet, by its digest, with its path. */
  parentOf(
    fleet: FleetId,
    digest: Digest,
  ): Promise<{ readonly path: TargetPath; readonly custom: TargetCustom } | undefined>;
  /** A version and release counter above every one of the name; `asked`, where that is above them. */
  nextRelease(fleet: FleetId, name: string, asked?: string): Promise<KnownRelease>;
  /** Offers the candidate by the round's policy, in canary waves without one. Again, it gives the same rollout. */
  startRollout(candidate: {
    readonly fleet: FleetId;
    readonly app: RoundRequest['app'];
    readonly path: TargetPath;
    readonly digest: Digest;
    readonly author: string;
    readonly policy?: RolloutPolicy;
  }): Promise<Result<RolloutId, { readonly code: string }>>;
  /** Takes the candidate back from every device that has it, if it was rolled out at all. Again, it changes nothing. */
  abortRollout(candidate: {
    readonly fleet: FleetId;
    readonly app: RoundRequest['app'];
    readonly digest: Digest;
    readonly why: string;
  }): Promise<void>;
  /** Undefined while it runs. */
  rolloutEnd(
    fleet: FleetId,
    rollout: RolloutId,
  ): Promise<{ readonly completed: boolean; readonly reason: string } | undefined>;
}

export interface CandidateShopOptions {
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly builder: CandidateBuilder;
  readonly publisher: CandidatePublisher;
  readonly roads: CandidateRoads;
}

/** From an average to a signed candidate and its rollout: what the round's later phases ask for. */
export class CandidateShop {
  readonly #options: CandidateShopOptions;

  constructor(options: CandidateShopOptions) {
    this.#options = options;
  }

  /** What the request's bundle says about training, and which offline-signed bundle stands behind it. */
  async readBase(
    fleet: FleetId,
    request: RoundRequest,
  ): Promise<
    Result<
      Pick<RoundPlan, 'training' | 'parent'>,
      { readonly code: string; readonly message: string }
    >
  > {
    const { roads, blobs } = this.#options;
    const { path, digest } = request.bundle;
    const config = await this.#readConfig(digest);
    if (config === undefined) return fail('bundle-unknown', `${path} is not in the store`);
    const { training } = config;
    const parent = path.startsWith('federated/') ? config.parent : digest;
    const signed = parent === undefined ? undefined : await roads.parentOf(fleet, parent);
    const federable = signed?.custom.federable ?? [];
    if (training === undefined || parent === undefined || federable.length === 0) {
      return fail('not-federable', `${path} is not signed as federable`);
    }
    if (config.name !== request.app || (await blobs.size(request.heldOut)) === undefined) {
      return fail('round-spec-invalid', 'another app, or no held-out set in the store');
    }
    if (request.version !== undefined) {
      const next = await roads.nextRelease(fleet, request.app, request.version);
      if (next.version !== request.version) {
        return fail('round-spec-invalid', `version ${request.version} is not above the known ones`);
      }
    }
    const elements = training.parameters.map(({ shape }) => shape.reduce((all, n) => all * n, 1));
    const { clipNorm, floors } = training;
    return ok({ parent, training: { elements, clipNorm, floors } });
  }

  /** Start values plus mean delta, built, signed, published. */
  async build(state: RoundState, mean: Float32Array): Promise<RoundEvent> {
    const { roads, log } = this.#options;
    const { fleet, round, request, parent } = state.plan;
    try {
      const signed = await roads.parentOf(fleet, parent);
      const parameters = await this.#parameters(request.bundle.digest, mean);
      if (signed === undefined || parameters === undefined) return refused('parent-unknown');
      const release = await roads.nextRelease(fleet, request.app, request.version);
      const built = await this.#build(state, { parent: signed.path, parameters, release });
      if (!built.ok) {
        const { code, message, evidence } = built.error;
        log.warn({ event: 'candidate-refused', round, code, message }, 'the candidate is not used');
        return { type: 'candidate-refused', reason: code, evidence };
      }
      return await this.#publish(state, { built: built.value, custom: signed.custom, release });
    } catch (error) {
      if (codeOf(error) !== 'candidate-build-failed') throw error;
      log.warn(
        { event: 'candidate-build-failed', round, error },
        'the building process ended early',
      );
      return { type: 'candidate-failed' };
    }
  }

  #build(
    state: RoundState,
    from: {
      readonly parent: TargetPath;
      readonly parameters: Uint8Array;
      readonly release: KnownRelease;
    },
  ): ReturnType<CandidateBuilder['build']> {
    const { builder, clock } = this.#options;
    const { round, request, parent } = state.plan;
    const { bundle: base, heldOut } = request;
    const devices = 'counted' in state ? state.counted : 0;
    const { version } = from.release;
    const createdAtMs = clock.nowMs();
    return builder.build({
      job: { round, parent: from.parent, base: base.path, version, devices, createdAtMs },
      ...{ parent, base: base.digest, parameters: from.parameters, heldOut },
    });
  }

  async #publish(
    { plan: { fleet, round, request } }: RoundState,
    candidate: {
      readonly built: BuiltCandidate;
      /** Of the offline-signed parent. */
      readonly custom: TargetCustom;
      readonly release: KnownRelease;
    },
  ): Promise<RoundEvent> {
    const { publisher, log } = this.#options;
    const { built, custom, release } = candidate;
    const { digest, evidence } = built;
    const { federable: _federable, ...inherited } = custom;
    const published = await publisher.publishCandidate({
      ...{ fleet, digest, actor: `round ${round}` },
      custom: { ...inherited, ...release, fleets: [fleet], status: 'live' },
    });
    if (!published.ok) {
      const { code, message } = published.error;
      log.warn({ event: 'candidate-refused', round, code, message }, 'the candidate is not signed');
      return { type: 'candidate-refused', reason: code, evidence };
    }
    const path = `federated/${fleet}/${request.app}@${release.version}` as TargetPath;
    return { type: 'candidate-published', candidate: { path, digest, evidence } };
  }

  async startRollout(state: RoundState, candidate: Candidate): Promise<RoundEvent> {
    const { fleet, request, author } = state.plan;
    const { path, digest } = candidate;
    const started = await this.#options.roads.startRollout({
      ...{ fleet, app: request.app, path, digest, author },
      ...(request.rollout === undefined ? {} : { policy: request.rollout }),
    });
    return started.ok
      ? { type: 'rollout-started', rollout: started.value }
      : { type: 'candidate-refused', reason: started.error.code, evidence: candidate.evidence };
  }

  async abortRollout({ plan }: RoundState, { digest }: Candidate): Promise<void> {
    const { fleet, round, request } = plan;
    const why = `${round} was abandoned`;
    await this.#options.roads.abortRollout({ fleet, app: request.app, digest, why });
  }

  async lookAtRollout(state: RoundState, rollout: RolloutId): Promise<RoundEvent | undefined> {
    const end = await this.#options.roads.rolloutEnd(state.plan.fleet, rollout);
    return end === undefined ? undefined : { type: 'rollout-ended', ...end };
  }

  async #parameters(base: Digest, mean: Float32Array): Promise<Uint8Array | undefined> {
    const config = await this.#readConfig(base);
    const parts: Uint8Array[] = [];
    for (const { blob } of config?.training?.parameters ?? []) {
      const bytes = await this.#read(blob, limits.updateBytesMax);
      if (bytes === undefined) return undefined;
      parts.push(bytes);
    }
    const start = float32View(concatBytes(parts));
    if (start.length === 0 || start.length !== mean.length) return undefined;
    const sum = Float32Array.from(start, (value, at) => value + (mean[at] ?? 0));
    return new Uint8Array(sum.buffer);
  }

  async #readConfig(digest: Digest): Promise<BundleConfig | undefined> {
    const manifestBytes = await this.#read(digest, limits.manifestBytesMax);
    const manifest = manifestBytes === undefined ? undefined : decodeManifest(manifestBytes);
    if (manifestBytes === undefined || manifest?.ok !== true) return undefined;
    const config = await this.#read(manifest.value.config.digest, limits.bundleConfigBytesMax);
    const bundle = config === undefined ? undefined : decodeBundle(manifestBytes, config);
    return bundle?.ok === true ? bundle.value.config : undefined;
  }

  async #read(digest: Digest, bytesMax: number): Promise<Uint8Array | undefined> {
    const { blobs } = this.#options;
    const size = await blobs.size(digest);
    const body = size === undefined || size > bytesMax ? undefined : await blobs.read(digest);
    if (body === undefined) return undefined;
    return readAll(body);
  }
}

const refused = (reason: string): RoundEvent => ({
  type: 'candidate-refused',
  reason,
  evidence: null,
});

const fail = (code: string, message: string): Result<never, { code: string; message: string }> =>
  err({ code, message });
