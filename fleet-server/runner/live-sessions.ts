import { limits } from '../../shared/contracts/limits.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import type { Epoch } from '../../shared/core/ids.ts';
import type { HighWater } from '../core/session/replay-guard.ts';

/** One login that is still good: the key its frames are authenticated with, and how far they have come. */
export interface LiveSession {
  readonly address: DeviceAddress;
  readonly jti: string;
  readonly epoch: Epoch;
  readonly key: Uint8Array;
  readonly expiresAtMs: number;
  /** Newest frame from the device; presence counts by itself. */
  highWater: HighWater | undefined;
  presenceHighWater: HighWater | undefined;
  /** Number of the newest frame to the device. */
  sentSeq: number;
}

/** A session as it begins: nothing was sent either way. */
export type OpenedSession = Omit<LiveSession, 'highWater' | 'presenceHighWater' | 'sentSeq'>;

/**
 * Session keys live in memory only: after a restart every device logs in anew, which a stolen
 * database cannot do for it.
 * One session per device; a new login replaces the old one.
 */
export class LiveSessions {
  readonly #sessions = new Map<string, LiveSession>();

  /** False when the table is full of sessions that have not expired; the device tries again later. */
  open(session: OpenedSession, nowMs: number): boolean {
    const key = nameOf(session.address);
    if (!this.#sessions.has(key) && this.#sessions.size >= limits.liveSessionsMax) {
      this.#dropExpired(nowMs);
      if (this.#sessions.size >= limits.liveSessionsMax) return false;
    }
    const counters = { highWater: undefined, presenceHighWater: undefined, sentSeq: 0 };
    this.#sessions.set(key, { ...session, ...counters });
    return true;
  }

  find(address: DeviceAddress, nowMs: number): LiveSession | undefined {
    const session = this.#sessions.get(nameOf(address));
    return session !== undefined && session.expiresAtMs > nowMs ? session : undefined;
  }

  /** `jti`: only that one, in case a newer login stands in its place. */
  close(address: DeviceAddress, jti?: string): void {
    const key = nameOf(address);
    if (jti === undefined || this.#sessions.get(key)?.jti === jti) this.#sessions.delete(key);
  }

  #dropExpired(nowMs: number): void {
    for (const [key, session] of this.#sessions) {
      if (session.expiresAtMs <= nowMs) this.#sessions.delete(key);
    }
  }
}

const nameOf = ({ fleet, device }: DeviceAddress): string => `${fleet}/${device}`;
