import type { Client, ConnectPacket } from 'aedes';
import { limits } from '../../../shared/contracts/limits.ts';
import { type TopicAccess, topicAccessOf } from '../../../shared/contracts/topic-access.ts';
import type { DeviceAddress } from '../../../shared/contracts/topics.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { BrokerGate } from '../../ports/broker.ts';
import type { BrokerBounds } from './broker-bounds.ts';
import { type ConnectRefusal, isWillAllowed, readLogin } from './connect-rules.ts';
import { addressKey } from './retained-messages.ts';
import { TokenBucket } from './token-bucket.ts';

/** The fields of an aedes client that its types leave out. */
export interface BrokerClient extends Client {
  will: ConnectPacket['will'] | null;
}

/** One login: made before aedes has a session, gone with the connection. */
export interface DeviceSession {
  readonly address: DeviceAddress;
  readonly access: TopicAccess;
  readonly client: BrokerClient;
  readonly expiresAtMs: number;
  readonly rate: TokenBucket;
  /** What goes on once its time has come, the oldest first; aedes bounds it by one batch. */
  readonly slowed: (() => void)[];
  /** QoS of the granted `dn/+`, or `undefined` while the device does not listen. */
  subscribedQos: 0 | 1 | undefined;
  expiry: NodeJS.Timeout | undefined;
}

/**
 * Who is who: the session of each aedes client that was let in, and the live one of each device.
 * A device has at most one live session; the newest wins (MQTT-3.1.4-2).
 */
export class DeviceSessions {
  readonly #byClient = new WeakMap<object, DeviceSession>();
  readonly #live = new Map<string, DeviceSession>();
  /** Logins between CONNECT and their session; `isCut` once the device was purged meanwhile. */
  readonly #entering = new Map<object, { readonly device: string; isCut: boolean }>();
  readonly #clock: Clock;
  readonly #bounds: BrokerBounds;

  constructor(options: { readonly clock: Clock; readonly bounds: BrokerBounds }) {
    this.#clock = options.clock;
    this.#bounds = options.bounds;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  live(address: DeviceAddress): DeviceSession | undefined {
    return this.#live.get(addressKey(address));
  }

  /** aedes publishes its own notices without a client, whatever its types say. */
  of(client: object | null): DeviceSession | undefined {
    return client === null ? undefined : this.#byClient.get(client);
  }

  /**
   * Whoever was judged before the purge must not come in after it. The fleet is not known before the token is, so a
   * namesake on its way in has to connect again.
   */
  cutEntering({ device }: DeviceAddress): void {
    for (const login of this.#entering.values()) {
      if (login.device === device) login.isCut = true;
    }
  }

  /** The connection is gone, whether it became a session or not. */
  left(client: object): void {
    this.#entering.delete(client);
  }

  /** Judges a CONNECT and, if it may come in, gives it the name under which aedes keeps it. */
  async admit(
    gate: BrokerGate,
    client: BrokerClient,
    packet: ConnectPacket,
  ): Promise<Result<DeviceSession, ConnectRefusal>> {
    const login = readLogin(packet);
    if (!login.ok) return login;
    this.#entering.set(client, { device: login.value.clientId, isCut: false });
    const checked = await gate.checkLogin(login.value);
    if (!checked.ok) return err({ returnCode: 5, reason: checked.error.code });
    const { address, expiresAtMs } = checked.value;
    if (address.device !== login.value.clientId || expiresAtMs <= this.#clock.nowMs()) {
      return err({ returnCode: 5, reason: 'login' });
    }
    const access = topicAccessOf(address);
    if (!isWillAllowed(access, packet.will)) return err({ returnCode: 5, reason: 'will' });
    const { messagesPerSecond: perSecond, messagesBurst: burst } = this.#bounds;
    const rate = new TokenBucket({ perSecond, burst }, this.#clock.monotonicMs());
    const open = { subscribedQos: undefined, expiry: undefined };
    const slowed: DeviceSession['slowed'] = [];
    const session: DeviceSession = {
      ...{ address, access, client, expiresAtMs, rate, slowed },
      ...open,
    };
    this.#byClient.set(client, session);
    packet.clientId = addressKey(address);
    return ok(session);
  }

  /** aedes has ended the older session of the device by now. */
  opened(client: object): void {
    const session = this.#byClient.get(client);
    invariant(session !== undefined, 'aedes opens only sessions that were judged');
    this.#live.set(addressKey(session.address), session);
    const isCut = this.#entering.get(client)?.isCut === true;
    this.#entering.delete(client);
    if (isCut) {
      session.client.will = null;
      session.client.close();
      return;
    }
    const leftMs = session.expiresAtMs - this.#clock.nowMs();
    const ttlMs = Math.min(Math.max(0, leftMs), limits.sessionTokenTtlMsMax);
    session.expiry = setTimeout(() => session.client.close(), ttlMs).unref();
  }

  ended(client: object): void {
    const session = this.#byClient.get(client);
    if (session === undefined) return;
    clearTimeout(session.expiry);
    session.subscribedQos = undefined;
    const key = addressKey(session.address);
    if (this.#live.get(key) === session) this.#live.delete(key);
  }
}
