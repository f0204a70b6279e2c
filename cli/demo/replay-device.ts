import type { DeviceAgent } from '../../agent/runner/device-agent.ts';
import type { AppName, DeviceId, Digest } from '../../shared/core/ids.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Pace } from './pace.ts';

/** One file a device looks at again and again; the label is its extension. */
export interface ReplayFile {
  readonly bytes: Uint8Array;
  readonly label: string;
}

/** What one device did with one bundle, as seen beside it. Instants are monotonic milliseconds of this process. */
export interface Sighting {
  /** The device accepted an order that names the digest. */
  orderedAtMs: number | undefined;
  /** First and newest live answer. */
  answeredAtMs: number | undefined;
  lastAnswerMs: number | undefined;
  answers: number;
  /** The device's own verdict against it, and its words. */
  verdictAtMs: number | undefined;
  reason: string | undefined;
}

/** Another model began to answer. */
export interface Handover {
  readonly from: Digest;
  readonly to: Digest;
  readonly atMs: number;
}

/** An in-process device that replays its own files, and keeps what can be seen of it. */
export class ReplayDevice {
  readonly id: DeviceId;
  readonly agent: DeviceAgent;
  readonly sightings = new Map<Digest, Sighting>();
  readonly handovers: Handover[] = [];
  readonly errors = new Map<string, number>();
  inferences = 0;
  correct = 0;
  readonly #app: AppName;
  readonly #files: readonly ReplayFile[];
  readonly #clock: Clock;
  #next = 0;
  #lastAnswered: Digest | undefined;

  constructor(options: {
    readonly id: DeviceId;
    readonly agent: DeviceAgent;
    readonly app: AppName;
    readonly files: readonly ReplayFile[];
    readonly clock: Clock;
  }) {
    this.id = options.id;
    this.agent = options.agent;
    this.#app = options.app;
    this.#files = options.files;
    this.#clock = options.clock;
  }

  /** What answers live input now. */
  get running(): Digest | undefined {
    return this.agent.state.apps.get(this.#app)?.running?.slot.digest;
  }

  /** Replays until the signal aborts, as fast as the shared pace allows. */
  async replay(pace: Pace, signal: AbortSignal): Promise<void> {
    let due = this.#clock.monotonicMs() + pace.intervalMs * pace.jitter();
    for (;;) {
      await this.#clock.sleepUntil(due, signal);
      if (signal.aborted) return;
      const now = this.#clock.monotonicMs();
      // Late by more than one turn: what was missed is not made up for.
      due = Math.max(due + pace.intervalMs, now);
      await this.#lookAtOne(pace);
      this.#watch();
    }
  }

  /** Looks at what the agent has decided since; cheap enough for every turn. */
  #watch(): void {
    const app = this.agent.state.apps.get(this.#app);
    if (app?.wanted !== undefined) {
      this.#sighting(app.wanted.digest).orderedAtMs ??= this.#clock.monotonicMs();
    }
    const { outcome } = app ?? {};
    if (outcome?.kind !== 'reverted') return;
    const seen = this.#sighting(outcome.target.digest);
    seen.reason ??= outcome.reason;
    seen.verdictAtMs ??= outcome.verdictMonotonicMs ?? this.#clock.monotonicMs();
  }

  async #lookAtOne(pace: Pace): Promise<void> {
    const file = this.#files[this.#next % this.#files.length];
    const before = this.running;
    if (file === undefined || before === undefined) return;
    this.#next += 1;
    try {
      // A copy, because the runtime takes its input over.
      const input = { kind: 'bytes', bytes: file.bytes } as const;
      const { label } = await this.agent.infer(this.#app, input, file.label);
      this.inferences += 1;
      pace.counted();
      if (label === file.label) this.correct += 1;
      if (this.running === before) this.#answered(before);
    } catch (error) {
      const code = codeOf(error);
      this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    }
  }

  #answered(digest: Digest): void {
    const seen = this.#sighting(digest);
    const now = this.#clock.monotonicMs();
    const from = this.#lastAnswered;
    if (from !== undefined && from !== digest) this.handovers.push({ from, to: digest, atMs: now });
    this.#lastAnswered = digest;
    seen.answeredAtMs ??= now;
    seen.lastAnswerMs = now;
    seen.answers += 1;
  }

  #sighting(digest: Digest): Sighting {
    const known = this.sightings.get(digest);
    if (known !== undefined) return known;
    const fresh: Sighting = {
      orderedAtMs: undefined,
      answeredAtMs: undefined,
      lastAnswerMs: undefined,
      answers: 0,
      verdictAtMs: undefined,
      reason: undefined,
    };
    this.sightings.set(digest, fresh);
    return fresh;
  }
}
