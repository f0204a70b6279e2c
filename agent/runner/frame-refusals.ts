import { limits } from '../../shared/contracts/limits.ts';
import type { DownKind } from '../../shared/contracts/topics.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';

export interface FrameRefusalsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** What is said of one code: when last, and how many came since without a word. */
interface Said {
  readonly atMonotonicMs: number;
  readonly unsaid: number;
}

/**
 * What came from the broker and had no effect: each is counted under its code, and of each code one line a minute is
 * logged. A hostile broker chooses how many frames it invents; it must not choose how much flash the log wears out.
 */
export class FrameRefusals {
  readonly #options: FrameRefusalsOptions;
  /** By code; the codes are this program's own, so there are never more than a handful. */
  readonly #said = new Map<string, Said>();

  constructor(options: FrameRefusalsOptions) {
    this.#options = options;
  }

  /** `kind` is absent where the topic is none of this device's. */
  note(code: string, kind: DownKind | undefined, message?: string): void {
    const { clock, log, metrics } = this.#options;
    metrics.count('skein_frames_refused_total', 1, { code });
    const nowMs = clock.monotonicMs();
    const said = this.#said.get(code);
    if (said !== undefined && nowMs - said.atMonotonicMs < limits.refusalLogMs) {
      this.#said.set(code, { ...said, unsaid: said.unsaid + 1 });
      return;
    }
    this.#said.set(code, { atMonotonicMs: nowMs, unsaid: 0 });
    const unsaid = said?.unsaid ?? 0;
    const more = Object.entries({ kind, message }).filter(([, value]) => value !== undefined);
    const fields = { event: 'frame-refused', code, unsaid, ...Object.fromEntries(more) };
    log.warn(fields, 'a message had no effect');
  }
}
