import type { DeviceAgent } from '../../../agent/runner/device-agent.ts';
import type { AppName, Digest } from '../../../shared/core/ids.ts';
import { codeOf } from '../../../shared/core/operating-error.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import { instantMs, type SeenDevice } from './seen-device.ts';

/** One file a device looks at again and again; the label is its extension. */
export interface ReplayFile {
  readonly bytes: Uint8Array;
  readonly label: string;
}

/** What all devices of a thread did together. */
export interface ReplayCounts {
  inferences: number;
  correct: number;
  readonly errors: Map<string, number>;
}

/** An in-process device that replays its own files, and keeps what can be seen of it. */
export class ReplayDevice {
  readonly agent: DeviceAgent;
  readonly seen: SeenDevice;
  /** Something to tell since it was last cleared. */
  isNews = true;
  readonly #app: AppName;
  readonly #files: readonly ReplayFile[];
  readonly #clock: Clock;
  readonly #counts: ReplayCounts;
  #next = 0;
  #isBusy = false;

  constructor(options: {
    readonly agent: DeviceAgent;
    readonly seen: SeenDevice;
    readonly app: AppName;
    readonly files: readonly ReplayFile[];
    readonly clock: Clock;
    readonly counts: ReplayCounts;
  }) {
    this.agent = options.agent;
    this.seen = options.seen;
    this.#app = options.app;
    this.#files = options.files;
    this.#clock = options.clock;
    this.#counts = options.counts;
  }

  /** Lets the model look at the next file, unless it is still looking at the last one. Never rejects. */
  async turn(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    await this.#lookAtOne();
    this.#watch();
    this.#isBusy = false;
  }

  /** Looks at what the agent has decided since; cheap enough for every turn. */
  #watch(): void {
    const app = this.agent.state.apps.get(this.#app);
    const running = app?.running?.slot.digest;
    if (running !== this.seen.running) {
      this.seen.running = running;
      this.isNews = true;
    }
    if (app?.wanted !== undefined) {
      const wanted = this.seen.sighting(app.wanted.digest);
      if (wanted.orderedAtMs === undefined) {
        wanted.orderedAtMs = instantMs();
        this.isNews = true;
      }
    }
    const { outcome } = app ?? {};
    if (outcome?.kind === 'reverted') {
      const sinceMs = this.#clock.monotonicMs() - (outcome.verdictMonotonicMs ?? Infinity);
      this.#judged(outcome.target.digest, outcome.reason, sinceMs);
    }
    // A forged order is healed by the next one at once; its refusal is what stays of it.
    for (const { digest, reason } of this.agent.state.refusals) this.#judged(digest, reason, 0);
  }

  #judged(digest: Digest, reason: string, sinceMs: number): void {
    const judged = this.seen.sighting(digest);
    if (judged.reason !== undefined) return;
    judged.reason = reason;
    judged.verdictAtMs = instantMs() - Math.max(0, sinceMs);
    // Refused faster than anybody looked: there was an order all the same.
    judged.orderedAtMs ??= judged.verdictAtMs;
    this.isNews = true;
  }

  async #lookAtOne(): Promise<void> {
    const file = this.#files[this.#next % this.#files.length];
    const before = this.agent.activeModel(this.#app)?.slot.digest;
    if (file === undefined || before === undefined) return;
    this.#next += 1;
    try {
      const input = { kind: 'bytes', bytes: file.bytes } as const;
      const { label } = await this.agent.infer(this.#app, input, file.label);
      this.#counts.inferences += 1;
      if (label === file.label) this.#counts.correct += 1;
      const isSame = this.agent.activeModel(this.#app)?.slot.digest === before;
      // Another model may have taken over while this one answered.
      if (isSame && this.seen.answered(before, instantMs())) this.isNews = true;
    } catch (error) {
      const code = codeOf(error);
      this.#counts.errors.set(code, (this.#counts.errors.get(code) ?? 0) + 1);
    }
  }
}
