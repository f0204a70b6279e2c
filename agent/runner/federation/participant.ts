import { limits } from '../../../shared/contracts/limits.ts';
import { Doorbell } from '../../../shared/core/doorbell.ts';
import { codeOf } from '../../../shared/core/operating-error.ts';
import type { DeviceDisk } from '../../../shared/ports/device-disk.ts';
import type { Random } from '../../../shared/ports/random.ts';
import { readExample, type UnkeyedExample } from '../../core/federation/read-example.ts';
import { fingerprintOf, SeenInputs } from '../../core/federation/seen-inputs.ts';
import type { InferenceInput } from '../../core/inference/prepare-input.ts';
import type { HostedModel } from '../model-host.ts';
import { ExampleIndex } from './example-index.ts';
import { RoundRunner, type RoundRunnerOptions } from './round-runner.ts';

export interface ParticipantOptions extends Omit<RoundRunnerOptions, 'examples' | 'path'> {
  readonly random: Random;
  /** The owner's word: without it nothing is remembered and no order is obeyed. */
  readonly mayTrain: boolean;
}

const saltPath = 'state/examples.salt';
const saltBytes = 32;

/**
 * The device's part in federated rounds: remembers labelled inputs of its committed federable
 * models, and trains when it is ordered to. Its files are opened at the first of either, so that a
 * device that never trains never pays for it.
 *
 * INVARIANTS
 * - The path of an answer neither waits for a disk here nor fails because of one.
 * - Examples that wait, orders that wait and inputs that are remembered are bounded; above it the newest are dropped.
 */
export class Participant {
  readonly #options: ParticipantOptions;
  readonly #seen = new SeenInputs(limits.seenInputsMax);
  readonly #written = new Doorbell();
  readonly #ordered = new Doorbell();
  #waiting: UnkeyedExample[] = [];
  readonly #orders: Uint8Array[] = [];
  #rooms: Promise<Rooms> | undefined;

  constructor(options: ParticipantOptions) {
    this.#options = options;
  }

  /**
   * Before the input goes to a session, which takes its bytes over. Undefined when there is nothing
   * to learn from it, or it came a moment ago; to be given to `keep` once the model has answered.
   */
  look(model: HostedModel, input: InferenceInput, label: string | undefined): Look | undefined {
    const { config } = model.bundle;
    const isOpen = this.#waiting.length < limits.examplesWaitingMax;
    if (label === undefined || config.training === undefined || model.host !== 'worker') return;
    if (!this.#options.mayTrain || !isOpen) return;
    const print = fingerprintOf(input, label);
    if (this.#seen.has(print)) return undefined;
    const example = readExample(config, input, label);
    return example === undefined ? undefined : { example, print };
  }

  keep({ example, print }: Look): void {
    if (this.#waiting.length >= limits.examplesWaitingMax) return;
    this.#seen.add(print);
    this.#waiting.push(example);
    this.#written.ring();
  }

  /** A `dn/round` envelope; it is judged when its turn comes. The code of a refusal, or `undefined`. */
  receive(envelope: Uint8Array): string | undefined {
    if (!this.#options.mayTrain) return 'training-off';
    if (this.#orders.length >= limits.ordersWaitingMax) return 'queue-full';
    this.#orders.push(Uint8Array.from(envelope));
    this.#ordered.ring();
    return undefined;
  }

  /** Runs until the signal aborts; a training that is under way ends after its step. */
  async run(signal: AbortSignal): Promise<void> {
    if (!this.#options.mayTrain) return;
    const stop = (): void => {
      this.#written.ring();
      this.#ordered.ring();
    };
    signal.addEventListener('abort', stop, { once: true });
    await Promise.all([this.#writeExamples(signal), this.#obeyOrders(signal)]);
  }

  async #writeExamples(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#written.wait();
      await this.#writeWaiting();
    }
  }

  /** One write for all that came while the one before was under way. */
  async #writeWaiting(): Promise<void> {
    const examples = this.#waiting;
    if (examples.length === 0) return;
    this.#waiting = [];
    try {
      const { index } = await this.#open();
      await index.keepAll(examples);
    } catch (error) {
      const fields = { event: 'examples-lost', code: codeOf(error), lost: examples.length, error };
      this.#options.log.warn(fields, 'examples were not written; the model answers all the same');
    }
  }

  async #obeyOrders(signal: AbortSignal): Promise<void> {
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      await this.#ordered.wait();
      while (!isOver()) {
        const envelope = this.#orders.shift();
        if (envelope === undefined) break;
        await this.#obey(envelope, signal);
      }
    }
  }

  async #obey(envelope: Uint8Array, signal: AbortSignal): Promise<void> {
    try {
      const { runner } = await this.#open();
      await runner.receive(envelope, signal);
    } catch (error) {
      const fields = { event: 'round-failed', code: codeOf(error), error };
      this.#options.log.warn(fields, 'the round goes on without us');
    }
  }

  /** Tried again after a failure: a full disk may have room later. */
  #open(): Promise<Rooms> {
    this.#rooms ??= openRooms(this.#options).catch((error: unknown) => {
      this.#rooms = undefined;
      throw error;
    });
    return this.#rooms;
  }
}

export interface Look {
  readonly example: UnkeyedExample;
  readonly print: number;
}

interface Rooms {
  readonly index: ExampleIndex;
  readonly runner: RoundRunner;
}

async function openRooms(options: ParticipantOptions): Promise<Rooms> {
  const { disk, random } = options;
  const salt = await openSalt(disk, () => random.bytes(saltBytes));
  const index = await ExampleIndex.open({ disk, path: 'state/examples.journal', salt });
  const path = 'state/rounds.journal';
  const runner = await RoundRunner.open({ ...options, path, examples: index });
  return { index, runner };
}

/** Drawn once per device. A file of another length is none: examples then get other keys, no more. */
async function openSalt(disk: DeviceDisk, draw: () => Uint8Array): Promise<Uint8Array> {
  const known = await disk.read(saltPath, { bytesMax: saltBytes });
  if (known?.length === saltBytes) return known;
  const salt = draw();
  await disk.replace(saltPath, salt);
  return salt;
}
