import type { InputOutcome } from '../../agent/core/inputs/answer-text.ts';
import { BoundedQueue } from '../../agent/core/inputs/bounded-queue.ts';
import type { InputItem, InputSource } from '../../agent/ports/input-source.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';

/** What the world pushes: an item whose answer goes to the source's one listener. */
export type PushedInput = Omit<InputItem, 'answered'>;

export interface MemoryInputSourceOptions {
  readonly name: string;
  /** Hears the end of every input: answered, refused, or not readable. */
  readonly told: (outcome: InputOutcome, input: PushedInput) => void;
}

/**
 * The world pushes inputs and hears how each ended, as a machine at a local topic does. One life
 * has one reader: a device that boots anew gets a new source.
 */
export class MemoryInputSource implements InputSource {
  readonly name: string;
  /** Data that a scenario sets: there is nothing to listen to. */
  readonly faults = { isGone: false };
  readonly #told: MemoryInputSourceOptions['told'];
  readonly #queue = new BoundedQueue<InputItem>(limits.inputQueueMax);

  constructor({ name, told }: MemoryInputSourceOptions) {
    this.name = `memory:${name}`;
    this.#told = told;
  }

  push(pushed: PushedInput): void {
    const { input } = pushed;
    if (input.kind === 'bytes' && input.bytes.length > limits.inputBytesMax) {
      const message = `${input.bytes.length} bytes, at most ${limits.inputBytesMax}`;
      this.#told({ ok: false, code: 'too-large', message }, pushed);
      return;
    }
    let isAnswered = false;
    const answered = async (outcome: InputOutcome): Promise<void> => {
      invariant(!isAnswered, `${this.name} was answered twice`);
      isAnswered = true;
      this.#told(outcome, pushed);
    };
    if (this.#queue.offer({ ...pushed, answered })) return;
    const message = `${limits.inputQueueMax} inputs wait`;
    this.#told({ ok: false, code: 'queue-full', message }, pushed);
  }

  async *items(signal: AbortSignal): AsyncGenerator<InputItem> {
    if (this.faults.isGone) throw new OperatingError('input-failed', `${this.name} is not there`);
    const close = (): void => this.#queue.close();
    if (signal.aborted) return;
    signal.addEventListener('abort', close, { once: true });
    yield* this.#queue.items();
  }
}
