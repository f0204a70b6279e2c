import type { BundleConfig, DefaultRow } from '../../shared/contracts/bundle-config.ts';
import type { AppName } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import { answerByDefault } from '../core/inference/default-answer.ts';
import type { InferenceInput } from '../core/inference/prepare-input.ts';
import type { Slot } from '../core/update/slot.ts';
import type { Installer } from './installer.ts';
import type { TimedAnswer } from './model-host.ts';

/** A bundle whose model may not run, and whose signed default answer is given instead. */
export interface StandingIn {
  readonly slot: Slot;
  readonly config: BundleConfig;
  readonly rows: readonly DefaultRow[];
}

export interface StandInDeskOptions {
  readonly clock: Clock;
  readonly installer: Pick<Installer, 'read'>;
}

/** Default answers of this boot, by app. Nothing of the bundle is run for one: it is data that offline keys signed. */
export class StandInDesk {
  readonly #options: StandInDeskOptions;
  readonly #standing = new Map<AppName, StandingIn>();

  constructor(options: StandInDeskOptions) {
    this.#options = options;
  }

  of(app: AppName): StandingIn | undefined {
    return this.#standing.get(app);
  }

  /** The first of the slots that has a default answer gives it from now on; without one, nothing does. */
  async standIn(app: AppName, slots: readonly Slot[]): Promise<Slot | undefined> {
    this.dismiss(app);
    for (const slot of slots) {
      const bundle = await this.#options.installer.read(slot.digest);
      if (!bundle.ok) continue;
      const { config } = bundle.value;
      if (config.defaultAnswer === undefined) continue;
      this.#standing.set(app, { slot, config, rows: config.defaultAnswer });
      return slot;
    }
    return undefined;
  }

  /** A model answers, or nothing shall. */
  dismiss(app: AppName): void {
    this.#standing.delete(app);
  }

  /** Throws `inference-input-mismatch`, `too-large`. */
  answer({ config, rows }: StandingIn, input: InferenceInput): TimedAnswer {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    const answer = answerByDefault(config, rows, input);
    if (!answer.ok) throw new OperatingError(answer.error.code, answer.error.message);
    const latencyMs = clock.monotonicMs() - startMs;
    return { ...answer.value, runMs: 0, latencyMs, isDefault: true };
  }
}
