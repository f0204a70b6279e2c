import { limits } from '../../shared/contracts/limits.ts';
import type { AppName } from '../../shared/core/ids.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { InferenceInput } from '../core/inference/prepare-input.ts';
import type { InputOutcome } from '../core/inputs/answer-text.ts';
import type { InputItem, InputSource } from '../ports/input-source.ts';
import type { TimedAnswer } from './model-host.ts';

export interface InputPumpOptions {
  readonly log: Log;
  readonly infer: (app: AppName, input: InferenceInput, label?: string) => Promise<TimedAnswer>;
}

/**
 * Carries inputs to the model and answers back. It pulls, so a slow model slows the source down, and at most
 * `limits.inputsUnderWayMax` inputs of one source are under way.
 */
export class InputPump {
  readonly #options: InputPumpOptions;

  constructor(options: InputPumpOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the source has ended, or the signal has aborted and what was under way is
   * answered. Never rejects.
   */
  async run(source: InputSource, signal: AbortSignal): Promise<void> {
    const underWay = new Set<Promise<void>>();
    try {
      for await (const item of source.items(signal)) {
        const work = this.#carry(source, item).finally(() => underWay.delete(work));
        underWay.add(work);
        if (underWay.size >= limits.inputsUnderWayMax) await Promise.race(underWay);
      }
    } catch (error) {
      const fields = { event: 'source-failed', source: source.name, code: codeOf(error), error };
      this.#options.log.error(fields, 'an input source ended; the models go on');
    }
    await Promise.all(underWay);
  }

  async #carry(source: InputSource, item: InputItem): Promise<void> {
    const outcome = await this.#outcomeOf(item);
    try {
      await item.answered(outcome);
    } catch (error) {
      const fields = { event: 'answer-not-delivered', source: source.name, code: codeOf(error) };
      this.#options.log.warn({ ...fields, error }, 'an answer did not reach its source');
    }
  }

  async #outcomeOf({ app, input, label }: InputItem): Promise<InputOutcome> {
    try {
      return { ok: true, answer: await this.#options.infer(app, input, label) };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { ok: false, code: codeOf(error), message };
    }
  }
}
