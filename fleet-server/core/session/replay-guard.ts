import type { BootId, Epoch } from '../../../shared/core/ids.ts';

/** Numbers of one authenticated frame. */
export interface FrameNumber {
  readonly epoch: Epoch;
  readonly boot: BootId;
  readonly seq: number;
}

/** The login that the frame's MAC was checked under. */
export interface SessionNames {
  readonly epoch: Epoch;
  /** Differs between any two logins. */
  readonly session: string;
}

/** The last frame taken from a device; kept per device and, for presence, apart. */
export interface HighWater extends FrameNumber {
  readonly session: string;
}

export type ReplayVerdict =
  | { readonly verdict: 'fresh'; readonly highWater: HighWater }
  /** The newest frame again: what QoS 1 does. Dropped without an alarm; an acknowledgement may repeat. */
  | { readonly verdict: 'repeated' }
  | { readonly verdict: 'refused'; readonly code: 'epoch-mismatch' | 'frame-replayed' };

/**
 * Takes a frame only if its (epoch, boot, seq) goes up. Boot ids are random and have no order; what orders them is the
 * session, because a process does not change its boot id while a session lives, and a frame of an earlier session
 * fails its MAC under the present key before it comes here.
 */
export function decideReplay(
  highWater: HighWater | undefined,
  current: SessionNames,
  frame: FrameNumber,
): ReplayVerdict {
  if (frame.epoch !== current.epoch) return { verdict: 'refused', code: 'epoch-mismatch' };
  const { epoch, boot, seq } = frame;
  const { session } = current;
  const fresh = { verdict: 'fresh', highWater: { epoch, boot, seq, session } } as const;
  if (highWater === undefined || highWater.epoch !== frame.epoch) return fresh;
  if (highWater.boot !== frame.boot) {
    return highWater.session === current.session
      ? { verdict: 'refused', code: 'frame-replayed' }
      : fresh;
  }
  if (frame.seq > highWater.seq) return fresh;
  return frame.seq === highWater.seq
    ? { verdict: 'repeated' }
    : { verdict: 'refused', code: 'frame-replayed' };
}
