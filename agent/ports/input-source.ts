import type { AppName } from '../../shared/core/ids.ts';
import type { InferenceInput } from '../core/inference/prepare-input.ts';
import type { InputOutcome } from '../core/inputs/answer-text.ts';

/** One thing to look at, and whom to tell. */
export interface InputItem {
  readonly app: AppName;
  readonly input: InferenceInput;
  /** What the answer should be, where it is known at once. */
  readonly label?: string;
  /** Called once. A source that cannot deliver the answer throws an OperatingError; the input is not tried again. */
  answered(outcome: InputOutcome): Promise<void>;
}

/** Where inputs come from: a folder, recorded files, a topic on the device's own network. */
export interface InputSource {
  /** For the log, such as `folder:/var/spool/camera`. */
  readonly name: string;
  /**
   * Items until the signal aborts, or until the source has no more. A source that is pushed at keeps at most
   * `limits.inputQueueMax` waiting and answers the rest `queue-full`. Throws an OperatingError when it cannot begin.
   */
  items(signal: AbortSignal): AsyncIterable<InputItem>;
}
