import { decodeGolden } from '../../shared/codec/bundle.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { AppName } from '../../shared/core/ids.ts';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type {
  InferenceRuntime,
  InferenceSession,
  ModelSource,
  Tensor,
} from '../../shared/ports/inference-runtime.ts';
import { goldenDistance, tensorOfGolden } from '../core/inference/compare-golden.ts';
import { type InferenceInput, prepareInput } from '../core/inference/prepare-input.ts';
import { type Answer, readAnswer } from '../core/inference/read-answer.ts';
import type { Slot } from '../core/update/slot.ts';
import type { SessionHost } from '../core/update/update-state.ts';
import type { ContentStore } from './content-store.ts';
import type { InstalledBundle, Installer } from './installer.ts';
import type { SlotStore } from './slot-store.ts';

export interface ModelHostOptions {
  readonly runtime: InferenceRuntime;
  readonly installer: Installer;
  readonly slots: SlotStore;
  readonly content: ContentStore;
  readonly clock: Clock;
  /** The owner's ceiling; a bundle may ask for less. */
  readonly memoryBytesMax: number;
  readonly threads: number;
}

export interface HostedModel {
  readonly app: AppName;
  readonly slot: Slot;
  readonly host: SessionHost;
  readonly bundle: InstalledBundle;
  readonly session: InferenceSession;
}

export interface HostFailure {
  readonly code: string;
  readonly message: string;
  /** The model is at fault; otherwise the disk or the machine is, and it may pass. */
  readonly isFinal: boolean;
}

export interface TimedAnswer extends Answer {
  /** From the question to the answer, milliseconds; what the caller felt. */
  readonly latencyMs: number;
  /** Of these, inside the model: what the guard and the gates judge. */
  readonly runMs: number;
  /** What the graph returned, all rows of it. */
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** No model answered: these are the constant values that its bundle names for that case. */
  readonly isDefault?: true;
}

/**
 * Sessions of this boot. The model that ran before stays open during a probation, so that going
 * back needs no loading.
 */
export class ModelHost {
  readonly #options: ModelHostOptions;
  readonly #active = new Map<AppName, HostedModel>();
  readonly #standby = new Map<AppName, HostedModel>();
  #isClosed = false;

  constructor(options: ModelHostOptions) {
    this.#options = options;
  }

  active(app: AppName): HostedModel | undefined {
    return this.#active.get(app);
  }

  /** Golden vectors in a disposable process: a model that hangs or bursts there takes nothing with it. */
  async selfTest(app: AppName, slot: Slot): Promise<Result<void, HostFailure>> {
    const opened = await this.#open(app, slot, 'process');
    if (!opened.ok) return opened;
    try {
      return await this.#runGolden(opened.value);
    } finally {
      await opened.value.session.close();
    }
  }

  /** Makes the slot the one that answers. The former one is kept in reserve while the new one is on trial. */
  async activate(
    app: AppName,
    slot: Slot,
    host: SessionHost,
  ): Promise<Result<HostedModel, HostFailure>> {
    const standby = this.#standby.get(app);
    const isReady = standby?.slot.digest === slot.digest && standby.host === host;
    const opened = isReady ? ok(standby) : await this.#open(app, slot, host);
    if (!opened.ok) return opened;
    const former = this.#active.get(app);
    this.#active.set(app, opened.value);
    const reserve = host === 'process' ? former : undefined;
    if (standby !== undefined && !isReady && standby !== reserve) await standby.session.close();
    if (reserve === undefined) {
      this.#standby.delete(app);
      if (former !== undefined && former !== opened.value) await former.session.close();
    } else {
      this.#standby.set(app, reserve);
    }
    return opened;
  }

  /** Nothing answers for the app from now on. */
  async stop(app: AppName): Promise<void> {
    const models = [this.#active.get(app), this.#standby.get(app)];
    this.#active.delete(app);
    this.#standby.delete(app);
    for (const model of models) await model?.session.close();
  }

  /** The session of this very model is gone; a newer one is left alone. */
  forget(model: HostedModel): void {
    if (this.#active.get(model.app) === model) this.#active.delete(model.app);
  }

  /** For good: a session that is just being opened is closed as soon as it is there. */
  async closeAll(): Promise<void> {
    this.#isClosed = true;
    const apps = new Set([...this.#active.keys(), ...this.#standby.keys()]);
    for (const app of [...apps].sort()) await this.stop(app);
  }

  /**
   * One answer of the active model. Throws what the session throws (`inference-timeout`, `session-lost`, ...) and
   * `inference-input-mismatch`, `answer-not-finite`, `answer-form-unexpected`.
   */
  async infer(model: HostedModel, input: InferenceInput): Promise<TimedAnswer> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    const inputBytes = input.kind === 'bytes' ? input.bytes.length : 0;
    const prepared = prepareInput(model.bundle.config, input);
    if (!prepared.ok) throw new OperatingError(prepared.error.code, prepared.error.message);
    const { outputs, runMs } = await model.session.run(prepared.value);
    const answer = readAnswer(model.bundle.config, outputs, inputBytes);
    if (!answer.ok)
      throw new OperatingError(answer.error.code, `${model.slot.path} answered badly`);
    return { ...answer.value, outputs, runMs, latencyMs: clock.monotonicMs() - startMs };
  }

  async #open(
    app: AppName,
    slot: Slot,
    host: SessionHost,
  ): Promise<Result<HostedModel, HostFailure>> {
    const { installer, slots, runtime, memoryBytesMax, threads } = this.#options;
    const name = { app, digest: slot.digest };
    // Digests again at every activation: what rotted on disk must not reach the runtime.
    const whole = await slots.checkSlot(name);
    if (!whole.ok) return failure(whole.error.code, `slot ${slot.digest}`, false);
    const bundle = await installer.read(slot.digest);
    if (!bundle.ok) return bundle;
    const { config, variant } = bundle.value;
    const model: ModelSource = { kind: 'slot', graphPath: slots.nativePath(name, 'graph.onnx') };
    try {
      const session = await runtime.open({
        model,
        host,
        limits: {
          loadTimeoutMs: config.limits.loadTimeoutMs,
          runTimeoutMs: config.limits.runTimeoutMs,
          memoryBytesMax: Math.min(config.limits.memoryBytesMax, memoryBytesMax),
          queueMax: limits.inferenceQueueMax,
        },
        options: {
          provider: variant.constraints.provider,
          threads: Math.min(variant.session.threads, threads),
          graphOptimization: variant.session.graphOptimization,
        },
      });
      if (this.#isClosed) {
        await session.close();
        return failure('session-lost', `${slot.path} was opened as the agent ended`, false);
      }
      return ok({ app, slot, host, bundle: bundle.value, session });
    } catch (error) {
      const isMachine = error instanceof OperatingError && error.retryable;
      return failure(codeOf(error), `${slot.path} does not load`, !isMachine);
    }
  }

  async #runGolden(model: HostedModel): Promise<Result<void, HostFailure>> {
    const { config, variant } = model.bundle;
    const bytes = await this.#options.content.readBlob(config.golden.blob, {
      bytesMax: limits.goldenBytesMax,
    });
    if (!bytes.ok) return failure(bytes.error.code, 'golden vectors', false);
    const golden = decodeGolden(bytes.value);
    if (!golden.ok) return failure(golden.error.code, golden.error.message, true);
    const tolerance = toleranceOf(config.golden.tolerance, variant.constraints.provider);
    for (const [place, vector] of golden.value.vectors.entries()) {
      const inputs = new Map(
        vector.inputs.flatMap((input) => {
          const tensor = tensorOfGolden(input);
          return tensor === undefined ? [] : [[input.name, tensor] as const];
        }),
      );
      try {
        const { outputs } = await model.session.run(inputs);
        const distance = goldenDistance(vector.outputs, outputs);
        if (!(distance <= tolerance)) {
          const message = `vector ${place} is off by ${distance}, allowed ${tolerance}`;
          return failure('golden-mismatch', message, true);
        }
      } catch (error) {
        return failure(codeOf(error), `vector ${place} did not run`, true);
      }
    }
    return ok(undefined);
  }
}

const toleranceOf = (
  list: InstalledBundle['config']['golden']['tolerance'],
  provider: string,
): number => list.find((entry) => entry.provider === provider)?.absolute ?? 0;

const failure = (code: string, message: string, isFinal: boolean): Result<never, HostFailure> =>
  err({ code, message, isFinal });
