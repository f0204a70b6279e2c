import { limits } from '../../shared/contracts/limits.ts';
import type { TopicAccess } from '../../shared/contracts/topic-access.ts';
import type { DeviceAddress, UpKind } from '../../shared/contracts/topics.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Prng } from '../../shared/core/prng.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type {
  TransportConnect,
  TransportListener,
  TransportSession,
} from '../../shared/ports/transport.ts';
import { SimLane, type SimLink } from './sim-link.ts';

/** What the broker's end of a session does. */
export interface SessionEnd {
  received(session: SimSession, kind: UpKind, bytes: Uint8Array): Promise<void> | void;
  ended(session: SimSession): void;
}

export interface SimSessionOptions {
  readonly address: DeviceAddress;
  readonly access: TopicAccess;
  readonly connect: TransportConnect;
  readonly listener: TransportListener;
  readonly link: SimLink;
  readonly prng: Prng;
  readonly end: SessionEnd;
}

/** MQTT-3.1.2-24: a peer silent for one and a half keepalives is gone. */
const keepaliveFactor = 1.5;

/**
 * One session, its two ends apart: a device may have closed what the broker still believes in.
 * INVARIANTS: each end ends once; the will is published exactly when the broker's end ends without DISCONNECT or purge.
 */
export class SimSession implements TransportSession {
  readonly #options: SimSessionOptions;
  readonly #up: SimLane;
  readonly #down: SimLane;
  readonly #over = new AbortController();
  readonly #waiting = new Set<(error: OperatingError) => void>();
  #isDeviceOpen = true;
  #isServerOpen = true;
  #handled: Promise<void> = Promise.resolve();
  #delivered: Promise<void> = Promise.resolve();
  isSubscribed = false;

  constructor(options: SimSessionOptions) {
    this.#options = options;
    const { link, prng } = options;
    this.#up = new SimLane(link, 'up', { prng, isAlive: () => this.#isServerOpen });
    this.#down = new SimLane(link, 'down', { prng, isAlive: () => this.#isDeviceOpen });
  }

  get address(): DeviceAddress {
    return this.#options.address;
  }

  get access(): TopicAccess {
    return this.#options.access;
  }

  get link(): SimLink {
    return this.#options.link;
  }

  get isServerOpen(): boolean {
    return this.#isServerOpen;
  }

  /** Aborts when both ends have ended. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  publish(topic: string, bytes: Uint8Array, options: { readonly retain?: boolean } = {}) {
    return new Promise<void>((resolve, reject) => {
      if (!this.#isDeviceOpen) {
        reject(closedError());
        return;
      }
      if (this.#waiting.size >= limits.transportInflightMax) {
        const message = `${this.#waiting.size} messages wait for the broker`;
        reject(new OperatingError('transport-busy', message, { retryable: true }));
        return;
      }
      this.#waiting.add(reject);
      const { retain = false } = options;
      void this.#send({ topic, retain, qos: 1 }, Uint8Array.from(bytes)).then((isAcknowledged) => {
        // Without an acknowledgement the end of the session answers.
        if (!isAcknowledged || !this.#waiting.delete(reject)) return;
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    if (!this.#isDeviceOpen) return;
    this.#endDevice();
    if (this.link.isBlocked('up')) void this.silence();
    void this.#up.carry().then((isArrived) => {
      if (isArrived) this.#endServer({ will: false });
    });
  }

  /** Broker to device, in order, one at a time: the next waits until the listener has settled. */
  async deliver(topic: string, bytes: Uint8Array): Promise<void> {
    const { faults } = this.link;
    if (this.#down.happens(faults.lostRate)) return;
    const copy = Uint8Array.from(bytes);
    const times = this.#down.happens(faults.duplicateRate) ? 2 : 1;
    if (!(await this.#down.carry())) return;
    for (let time = 0; time < times; time += 1) {
      this.#delivered = this.#delivered.then(() => this.#give(topic, copy));
    }
    await this.#delivered;
  }

  /** The connection breaks and both ends notice. */
  cut(reason: string): void {
    this.#endServer({ will: true });
    this.#endDevice(reason);
  }

  /** The broker ends the session; the device learns it when the link lets it. */
  endByServer({ will }: { readonly will: boolean }): void {
    this.#endServer({ will });
    if (this.link.isBlocked('down')) void this.silence();
    void this.#down.carry().then(() => this.#endDevice('the broker ended the session'));
  }

  /** The device is gone without a sound, as by a power cut: nobody calls its listener again. */
  vanish(): void {
    this.#closeDevice();
    void this.silence();
  }

  /** Both ends give up after one and a half keepalives, unless `isOver` says by then that the silence ended. */
  async silence(isOver: () => boolean = () => false): Promise<void> {
    const { clock } = this.link;
    const patienceMs = keepaliveFactor * this.#options.connect.keepaliveMs;
    await clock.sleepUntil(clock.monotonicMs() + patienceMs, this.over);
    if (!this.over.aborted && !isOver()) this.cut('keepalive timeout');
  }

  /** By the server's clock, as the token said. */
  async expire(clock: Clock, expiresAtMs: number): Promise<void> {
    await clock.sleepUntil(clock.monotonicMs() + expiresAtMs - clock.nowMs(), this.over);
    if (this.#isServerOpen) this.endByServer({ will: true });
  }

  /** Resolves `true` when the device has its PUBACK. */
  async #send(attempt: { topic: string; retain: boolean; qos: number }, bytes: Uint8Array) {
    const { faults } = this.link;
    const isLost = this.#up.happens(faults.lostRate);
    const isAckLost = this.#up.happens(faults.ackLostRate);
    const isLostLater = this.#up.happens(faults.ackedThenLostRate);
    const times = this.#up.happens(faults.duplicateRate) ? 2 : 1;
    if (!(await this.#up.carry())) return false;
    const kind = this.access.mayPublish(attempt);
    if (isLost || kind === undefined || bytes.length > limits.frameBytesMax) {
      // 3.1.1 has no way to refuse one publish: the broker closes the connection.
      this.cut('the connection was reset');
      return false;
    }
    if (!isLostLater) for (let time = 0; time < times; time += 1) this.#hand(kind, bytes);
    if (isAckLost) this.cut('the connection was reset');
    return this.#down.carry();
  }

  #hand(kind: UpKind, bytes: Uint8Array): void {
    this.#handled = this.#handled.then(() => this.#options.end.received(this, kind, bytes));
  }

  async #give(topic: string, bytes: Uint8Array): Promise<void> {
    if (!this.#isDeviceOpen) return;
    try {
      await this.#options.listener.received(topic, bytes);
    } catch {
      // Not acknowledged, as in the real transport: the session ends and the next one reconciles.
      this.cut('the listener failed');
    }
  }

  #endServer({ will }: { readonly will: boolean }): void {
    if (!this.#isServerOpen) return;
    this.#isServerOpen = false;
    if (will) this.#hand('presence', Uint8Array.from(this.#options.connect.will.bytes));
    this.#options.end.ended(this);
    this.#settle();
  }

  #endDevice(reason?: string): void {
    if (!this.#closeDevice()) return;
    if (reason !== undefined) this.#options.listener.closed(reason);
  }

  #closeDevice(): boolean {
    if (!this.#isDeviceOpen) return false;
    this.#isDeviceOpen = false;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const reject of waiting) reject(closedError());
    this.#settle();
    return true;
  }

  #settle(): void {
    if (!this.#isDeviceOpen && !this.#isServerOpen) this.#over.abort();
    this.link.wake();
  }
}

const closedError = (): OperatingError =>
  new OperatingError('session-closed', 'the session ended first', { retryable: true });
