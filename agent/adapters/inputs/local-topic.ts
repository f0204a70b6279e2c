import {
  type LocalBrokerSession,
  openLocalBroker,
} from '../../../shared/adapters/mqtt/local-broker.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { codeOf, OperatingError } from '../../../shared/core/operating-error.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { Log } from '../../../shared/ports/log.ts';
import type { Random } from '../../../shared/ports/random.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';
import { answerText, type InputOutcome } from '../../core/inputs/answer-text.ts';
import { BoundedQueue } from '../../core/inputs/bounded-queue.ts';
import type { InputItem, InputSource } from '../../ports/input-source.ts';

export interface LocalTopicOptions {
  readonly app: AppName;
  readonly url: string;
  readonly topic: string;
  readonly answerTopic: string;
  readonly clientId: string;
  readonly login: { readonly username: string; readonly password: string } | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * A topic of a broker on the device's own network: a message in, its answer on a second topic with
 * the message's sha256,
 * because MQTT 3.1.1 has no correlation. A lost broker is dialled again with full jitter, for as
 * long as the agent lives.
 */
export class LocalTopic implements InputSource {
  readonly name: string;
  readonly #options: LocalTopicOptions;
  #session: LocalBrokerSession | undefined;
  /** Messages that were taken and have no answer yet. */
  #underWay = 0;

  constructor(options: LocalTopicOptions) {
    this.#options = options;
    this.name = `topic:${options.topic}`;
  }

  async *items(signal: AbortSignal): AsyncGenerator<InputItem> {
    const queue = new BoundedQueue<InputItem>(limits.inputQueueMax);
    const connected = this.#keepConnected(queue, signal).finally(() => queue.close());
    yield* queue.items();
    await connected;
  }

  async #keepConnected(queue: BoundedQueue<InputItem>, signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#connection(queue, signal);
        failures = 0;
      } catch (error) {
        failures = Math.min(failures + 1, 16);
        const fields = { event: 'source-unreachable', source: this.name, code: codeOf(error) };
        log.warn({ ...fields, error }, 'the local broker does not answer; it is dialled again');
      }
      const spanMs = Math.min(
        limits.localBrokerRetryMsMax,
        limits.localBrokerRetryMs * (1 << failures),
      );
      await clock.sleepUntil(clock.monotonicMs() + random.unit() * spanMs, signal);
    }
  }

  /** Resolves when the connection has ended or the signal has aborted. */
  async #connection(queue: BoundedQueue<InputItem>, signal: AbortSignal): Promise<void> {
    const { url, topic, clientId, login } = this.#options;
    const ended = new AbortController();
    const session = await openLocalBroker(
      { url, topic, clientId, ...(login === undefined ? {} : { login }) },
      {
        received: (_topic, bytes) => this.#take(queue, bytes),
        closed: () => ended.abort(),
      },
    );
    this.#session = session;
    await eitherAborts(ended.signal, signal);
    if (ended.signal.aborted) return;
    // Stopping: no more messages come in, and the answers under way still go out.
    queue.close();
    await this.#settled();
    session.close();
  }

  /** Resolves when every message that was taken has its answer, or the drain is over. */
  async #settled(): Promise<void> {
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + limits.agentDrainMs;
    while (this.#underWay > 0 && clock.monotonicMs() < untilMs) {
      await clock.sleepUntil(clock.monotonicMs() + limits.folderLookMs);
    }
  }

  #take(queue: BoundedQueue<InputItem>, bytes: Uint8Array): void {
    const sha256 = sha256Hex(bytes);
    const refuse = (code: string, message: string): void => {
      this.#publish({ ok: false, code, message }, sha256).catch(() => undefined);
    };
    if (bytes.length > limits.inputBytesMax) {
      refuse('too-large', `${bytes.length} bytes, at most ${limits.inputBytesMax}`);
      return;
    }
    const answered = async (outcome: InputOutcome): Promise<void> => {
      await this.#publish(outcome, sha256).finally(() => {
        this.#underWay -= 1;
      });
    };
    const { app } = this.#options;
    if (queue.offer({ app, input: { kind: 'bytes', bytes }, answered })) this.#underWay += 1;
    else refuse('queue-full', `${limits.inputQueueMax} messages wait`);
  }

  async #publish(outcome: InputOutcome, sha256: string): Promise<void> {
    const session = this.#session;
    if (session === undefined) throw new OperatingError('session-closed', 'no local broker');
    await session.publish(this.#options.answerTopic, utf8(answerText(outcome, { sha256 })));
  }
}

function eitherAborts(one: AbortSignal, other: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (one.aborted || other.aborted) resolve();
    one.addEventListener('abort', () => resolve(), { once: true });
    other.addEventListener('abort', () => resolve(), { once: true });
  });
}
