import type { EnrolmentState } from '../../shared/contracts/enrolment.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Random } from '../../shared/ports/random.ts';
import { anchorTime, raiseFloor, type TrustedTime, trustedNow } from '../core/trusted-time.ts';
import type { AgentMemory } from './agent-memory.ts';
import type { DeviceSession } from './device-session.ts';
import type { DeviceUplink, OpenUplink } from './device-uplink.ts';
import type { SpreadWindow } from './spread-window.ts';
import type { TrustedCatalogue } from './trusted-catalogue.ts';

export interface SessionLoopOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly memory: AgentMemory;
  readonly catalogue: TrustedCatalogue;
  readonly session: DeviceSession;
  readonly uplink: DeviceUplink;
  readonly spread: SpreadWindow;
  /** Used until the server knows the device. */
  readonly claim: string | undefined;
  /** A session is open; time and metadata are as fresh as they can be. */
  readonly opened: () => Promise<void>;
}

/**
 * Keeps one session open for as long as the server lets it, and comes back with full jitter. Whatever fails here leaves
 * the device running what it runs.
 */
export class SessionLoop {
  readonly #options: SessionLoopOptions;
  #time: TrustedTime;
  #open: OpenUplink | undefined;
  #bearer: string | undefined;
  #enrolment: EnrolmentState | undefined;
  /** Monotonic instant at which the newest session ended; of the start while there was none. */
  #aloneSinceMs: number;

  constructor(options: SessionLoopOptions) {
    this.#options = options;
    this.#time = { floorMs: options.memory.floorMs, anchor: undefined };
    this.#aloneSinceMs = options.clock.monotonicMs();
  }

  get uplink(): OpenUplink | undefined {
    return this.#open;
  }

  get bearer(): string | undefined {
    return this.#bearer;
  }

  /** Milliseconds without a session; 0 while one is open. */
  get silentMs(): number {
    if (this.#open !== undefined) return 0;
    return Math.max(0, this.#options.clock.monotonicMs() - this.#aloneSinceMs);
  }

  trustedNowMs(): number | undefined {
    return trustedNow(this.#time, this.#options.clock.monotonicMs());
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let ending: SessionEnd = 'lost';
    const isOver = (): boolean => signal.aborted;
    const { clock, spread } = this.#options;
    // The power may have come back to a whole site.
    await clock.sleepUntil(clock.monotonicMs() + spread.drawMs(), signal);
    while (!isOver()) {
      try {
        ending = await this.#session(signal);
        failures = 0;
      } catch (error) {
        ending = 'lost';
        failures += 1;
        const fields = { event: 'session-failed', code: codeOf(error), failures, error };
        this.#options.log.warn(fields, 'no session; it is tried again');
      }
      if (!isOver()) await this.#pause(ending, failures, signal);
    }
    // What has arrived is taken to its end: an acknowledgement is written down, an order is in the journal.
    await this.#options.uplink.settled();
  }

  async #session(signal: AbortSignal): Promise<SessionEnd> {
    const { clock, catalogue, memory, session, uplink, spread, claim, opened } = this.#options;
    if (claim !== undefined && memory.epoch === undefined && this.#enrolment !== 'accepted') {
      this.#enrolment = await session.enrol(claim);
    }
    const { grant, trustedNowMs: timeUnder } = await session.login();
    const trustedNowMs =
      timeUnder((await catalogue.directorKeys())?.keys) ??
      timeUnder((await this.#nextDirectorKeys())?.keys);
    await memory.keepEpoch(grant.epoch);
    await memory.keepJitter(grant.jitterMs);
    this.#bearer = grant.accessToken;
    const ended = new AbortController();
    const stop = (): void => ended.abort();
    signal.addEventListener('abort', stop, { once: true });
    // An abort during the login calls no listener that came after it: the session would stay for its whole life.
    if (signal.aborted) stop();
    try {
      if (trustedNowMs !== undefined) await this.#believe(trustedNowMs);
      this.#open = await uplink.open(grant, () => ended.abort());
      await opened();
      // Before the token expires, so that the broker need not cut the session; who logged in together renews apart.
      const earlierMs = limits.sessionRenewMs + spread.drawMs(grant.expiresInMs / 2);
      const renewMs = Math.max(1_000, grant.expiresInMs - earlierMs);
      await clock.sleepUntil(clock.monotonicMs() + renewMs, ended.signal);
      return ended.signal.aborted ? 'lost' : 'renewed';
    } finally {
      signal.removeEventListener('abort', stop);
      const open = this.#open;
      if (open !== undefined) this.#aloneSinceMs = clock.monotonicMs();
      this.#open = undefined;
      if (!ended.signal.aborted || signal.aborted) await open?.close();
    }
  }

  /**
   * Before the first login nothing on disk says who directs, and after a long absence what it says may be over: new
   * keys sign the time, and without a believed time nothing else asks for them. Root tells, whatever time it is.
   */
  async #nextDirectorKeys() {
    const { catalogue, memory } = this.#options;
    const refreshed = await catalogue.refresh({ kind: 'at-least', nowMs: memory.floorMs });
    if (!refreshed.ok) {
      const { code, message } = refreshed.error;
      this.#options.log.warn(
        { event: 'metadata-refused', code, message },
        'no director is known that signs for this server',
      );
    }
    return catalogue.directorKeys();
  }

  async #believe(serverMs: number): Promise<void> {
    const { clock, catalogue, memory } = this.#options;
    this.#time = anchorTime(this.#time, serverMs, clock.monotonicMs());
    const nowMs = this.trustedNowMs() ?? serverMs;
    // New revocations come with it; expired local metadata never stands in the way of fresh metadata.
    const refreshed = await catalogue.refresh({ kind: 'trusted', nowMs });
    if (!refreshed.ok) {
      const { code, message } = refreshed.error;
      this.#options.log.warn(
        { event: 'metadata-refused', code, message },
        'metadata was not refreshed',
      );
    }
    const newestExpiryMs = catalogue.newestExpiryMs;
    this.#time = raiseFloor(this.#time, { monotonicMs: clock.monotonicMs(), newestExpiryMs });
    await memory.keepFloor(this.#time.floorMs);
  }

  /** Full jitter: over the server's window when it may be gone for everybody, over the backoff when that is longer. */
  async #pause(ending: SessionEnd, failures: number, signal: AbortSignal): Promise<void> {
    const { clock, random, spread } = this.#options;
    const backoffMs = Math.min(
      limits.reconnectMsMax,
      limits.reconnectMs * (1 << Math.min(failures, 16)),
    );
    const ceilingMs = ending === 'lost' ? Math.max(backoffMs, spread.widthMs) : backoffMs;
    await clock.sleepUntil(clock.monotonicMs() + random.unit() * ceilingMs, signal);
  }
}

/** `renewed`: at this device's own hour. `lost`: so may everybody have. */
type SessionEnd = 'renewed' | 'lost';
