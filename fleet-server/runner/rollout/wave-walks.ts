import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import type { Rollout } from '../../core/model/rollout.ts';
import type { OrderScope } from '../../core/rollout/device-order.ts';
import type { DesiredRollout } from '../../core/rollout/offer-facts.ts';
import type { StoreView } from '../../ports/store.ts';
import { readWave, type WaveCount } from './wave-walk.ts';
import type { OrderedDevice } from './write-orders.ts';

type Open = Pick<Rollout, 'fleet' | 'rollout' | 'wave'>;

/** How far the walk through an open wave has come. */
interface Walk extends WaveCount {
  readonly wave: number;
  readonly beganMs: number;
  /** Null before the first member. */
  readonly after: DeviceId | null;
  readonly hasTold: boolean;
}

interface Walked {
  readonly wave: number;
  readonly count: WaveCount;
  readonly atMs: number;
  readonly untilMs: number;
}

export interface WalkStep {
  readonly orders: readonly OrderedDevice[];
  /** Of the whole wave, once it was walked through with nobody to tell; `undefined` before. */
  readonly count: WaveCount | undefined;
}

/**
 * Walks through open waves, a stretch at a time, so that no wave holds the one writer for long however many devices it
 * has. A wave that was walked through with nobody to tell is believed for a while before it is walked through again:
 * longer, the longer that took. What changes meanwhile (a report, edited tags) is decided for its own device.
 */
export class WaveWalks {
  readonly #walks = new Map<string, Walk>();
  readonly #walked = new Map<string, Walked>();

  /** The count of a wave that was walked through lately. */
  known(row: Open, nowMs: number): WaveCount | undefined {
    const walked = this.#walked.get(nameOf(row));
    // A clock that was set back would believe it for as long.
    const isFresh = walked !== undefined && nowMs >= walked.atMs && nowMs < walked.untilMs;
    return isFresh && walked.wave === row.wave ? walked.count : undefined;
  }

  /** The next stretch. Whoever's transaction fails afterwards must `forget`. */
  async step(
    view: StoreView,
    rollout: DesiredRollout,
    { row, scope }: { readonly row: Open; readonly scope: OrderScope },
  ): Promise<WalkStep> {
    const name = nameOf(row);
    const { nowMs } = scope.context;
    const known = this.#walks.get(name);
    const walk = known?.wave === row.wave ? known : begun(row.wave, nowMs);
    const { orders, stoppedAt, ...seen } = await readWave(view, rollout, {
      scope,
      after: walk.after,
    });
    const count = {
      offerable: walk.offerable + seen.offerable,
      blocked: walk.blocked + seen.blocked,
    };
    const hasTold = walk.hasTold || orders.length > 0;
    if (stoppedAt !== null) {
      keep(this.#walks, name, { ...walk, ...count, after: stoppedAt, hasTold });
      return { orders, count: undefined };
    }
    this.#walks.delete(name);
    if (hasTold) return { orders, count: undefined };
    const tookMs = Math.max(0, nowMs - walk.beganMs);
    const believedMs = Math.max(limits.waveScanMs, limits.waveRestPerWalk * tookMs);
    keep(this.#walked, name, { wave: row.wave, count, atMs: nowMs, untilMs: nowMs + believedMs });
    return { orders, count };
  }

  forget(row: Pick<Rollout, 'fleet' | 'rollout'>): void {
    this.#walks.delete(nameOf(row));
    this.#walked.delete(nameOf(row));
  }
}

const begun = (wave: number, nowMs: number): Walk => ({
  ...{ wave, beganMs: nowMs, after: null, hasTold: false },
  ...{ offerable: 0, blocked: 0 },
});

function keep<T>(map: Map<string, T>, name: string, value: T): void {
  map.delete(name);
  map.set(name, value);
  const [oldest] = map.keys();
  if (map.size > limits.openRolloutsMax && oldest !== undefined) map.delete(oldest);
}

const nameOf = ({ fleet, rollout }: Pick<Rollout, 'fleet' | 'rollout'>): string =>
  `${fleet} ${rollout}`;
