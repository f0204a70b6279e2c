import type {
  Broker,
  BrokerGate,
  BrokerListener,
  DownMessage,
} from '../../fleet-server/ports/broker.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { topicAccessOf } from '../../shared/contracts/topic-access.ts';
import {
  type DeviceAddress,
  type DownKind,
  downKinds,
  downTopic,
  type UpKind,
} from '../../shared/contracts/topics.ts';
import { isDeviceId } from '../../shared/core/ids.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Prng } from '../../shared/core/prng.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type {
  Transport,
  TransportConnect,
  TransportListener,
} from '../../shared/ports/transport.ts';
import { type LinkFaults, perfectLink, type Way } from './link-faults.ts';
import { SimLink } from './sim-link.ts';
import { SimSession } from './sim-session.ts';

export interface SimBrokerOptions {
  /** The server's clock. */
  readonly clock: Clock;
  readonly prng: Prng;
  /** Of every link that has none of its own. */
  readonly faults?: LinkFaults;
}

/**
 * Broker and transports of a world without sockets: the same rules as the real broker, and faults
 * as orders from outside.
 * A link is the wire of one device and is named by the scenario, usually like the device.
 */
export class SimBroker implements Broker {
  readonly #options: SimBrokerOptions;
  readonly #links = new Map<string, SimLink>();
  readonly #live = new Map<string, SimSession>();
  readonly #retained = new Map<string, Map<DownKind, Uint8Array>>();
  #server: { readonly gate: BrokerGate; readonly listener: BrokerListener } | undefined;
  /** How often a device was purged: a login that was judged before does not come in after it. */
  readonly #purges = new Map<string, number>();
  #isDown = false;
  #sessions = 0;

  constructor(options: SimBrokerOptions) {
    this.#options = options;
  }

  async start(gate: BrokerGate, listener: BrokerListener): Promise<void> {
    invariant(this.#server === undefined, 'a broker starts once');
    this.#server = { gate, listener };
  }

  async publish(address: DeviceAddress, message: DownMessage): Promise<void> {
    const { kind, bytes, retain = false } = message;
    invariant(bytes.length <= limits.frameBytesMax, 'a frame fits its limit');
    if (this.#isDown) return;
    if (retain) this.#retain(address, kind, bytes);
    const session = this.#live.get(keyOf(address));
    if (session?.isSubscribed === true) void session.deliver(downTopic(address, kind), bytes);
  }

  isOpen(): boolean {
    return this.#server !== undefined && !this.#isDown;
  }

  isConnected(address: DeviceAddress): boolean {
    return this.#live.has(keyOf(address));
  }

  connectedCount(): number {
    return this.#live.size;
  }

  async kick(address: DeviceAddress): Promise<void> {
    this.#live.get(keyOf(address))?.endByServer({ will: true });
  }

  async purge(address: DeviceAddress): Promise<void> {
    this.#retained.delete(keyOf(address));
    this.#purges.set(address.device, (this.#purges.get(address.device) ?? 0) + 1);
    this.#live.get(keyOf(address))?.endByServer({ will: false });
  }

  async close(): Promise<void> {
    for (const session of this.#inOrder()) session.endByServer({ will: true });
    this.#isDown = true;
  }

  transport(link: string): Transport {
    return {
      connect: (options, listener) => this.#connect(this.#linkOf(link), options, listener),
    };
  }

  setFaults(faults: LinkFaults, link: string): void {
    this.#linkOf(link).faults = faults;
  }

  /** Nothing passes those ways until `heal`; TCP holds it back and keepalives run out on both ends. */
  partition(link: string, ways: readonly Way[] = ['up', 'down']): void {
    const wire = this.#linkOf(link);
    wire.partition(ways);
    const { partitions } = wire;
    for (const session of this.#inOrder()) {
      if (session.link !== wire) continue;
      void session.silence(() => !wire.isBlocked() || wire.partitions !== partitions);
    }
  }

  heal(link: string): void {
    this.#linkOf(link).heal();
  }

  /** The connection breaks and both ends notice at once. */
  cut(link: string): void {
    for (const session of this.#on(link)) session.cut('the connection was reset');
  }

  /** The device's end dies without a sound. */
  vanish(link: string): void {
    for (const session of this.#on(link)) session.vanish();
  }

  /**
   * kill -9: sessions, wills and retained messages are gone; devices see a reset, and nobody gets
   * in until `resume`.
   */
  stop(): void {
    this.#isDown = true;
    this.#retained.clear();
    const sessions = this.#inOrder();
    this.#live.clear();
    for (const session of sessions) session.endByServer({ will: false });
  }

  resume(): void {
    this.#isDown = false;
  }

  async #connect(
    link: SimLink,
    options: TransportConnect,
    listener: TransportListener,
  ): Promise<SimSession> {
    await this.#reach(link);
    const login = await this.#login(options);
    const { address, expiresAtMs } = login;
    const access = topicAccessOf(address);
    const { topic, bytes } = options.will;
    const isWillAllowed =
      bytes.length <= limits.willBytesMax && access.mayLeaveWill({ topic, retain: false, qos: 1 });
    if (!isWillAllowed) throw refused('the will is not a presence message of the device');
    // Takeover (MQTT-3.1.4-2): the older session ends first, its will before the new birth.
    this.#live.get(keyOf(address))?.endByServer({ will: true });
    this.#sessions += 1;
    const prng = this.#options.prng.fork(`${keyOf(address)}/${this.#sessions}`);
    const session = new SimSession({
      ...{ address, access, connect: options, listener, link, prng },
      end: {
        received: (_session, kind, frame) => this.#received(address, kind, frame),
        ended: (ended) => {
          if (this.#live.get(keyOf(address)) === ended) this.#live.delete(keyOf(address));
        },
      },
    });
    this.#live.set(keyOf(address), session);
    void session.expire(this.#options.clock, expiresAtMs);
    if (!options.subscribe.every((filter) => access.maySubscribe(filter))) {
      await session.close();
      throw refused('a subscription was refused');
    }
    session.isSubscribed = options.subscribe.length > 0;
    if (session.isSubscribed) this.#replay(session);
    return session;
  }

  /** The way to the broker and back. */
  async #reach(link: SimLink): Promise<void> {
    const { clock } = this.#options;
    const started = clock.monotonicMs();
    const [least, most] = link.faults.delayMs;
    if (least + most > 0) await clock.sleepUntil(started + least + most);
    if (link.isBlocked()) {
      await clock.sleepUntil(started + limits.transportConnectTimeoutMs);
      throw unreachable('no answer in time');
    }
    if (this.#isDown || this.#server === undefined) throw unreachable('connection refused');
  }

  async #login({ clientId, password, keepaliveMs }: TransportConnect) {
    const { clock } = this.#options;
    const isFormed =
      isDeviceId(clientId) &&
      keepaliveMs >= limits.keepaliveMsMin &&
      keepaliveMs <= limits.keepaliveMsMax;
    const purges = this.#purges.get(clientId);
    const checked = isFormed
      ? await this.#server?.gate.checkLogin({ clientId, password })
      : undefined;
    if (checked?.ok !== true) throw refused(checked?.error.code ?? 'client id or keepalive');
    const { address, expiresAtMs } = checked.value;
    if (address.device !== clientId || expiresAtMs <= clock.nowMs()) throw refused('login');
    if (this.#isDown) throw unreachable('connection reset');
    if (this.#purges.get(clientId) !== purges) throw unreachable('connection reset');
    return checked.value;
  }

  #received(address: DeviceAddress, kind: UpKind, bytes: Uint8Array) {
    if (this.#isDown) return;
    return this.#server?.listener.received({ address, kind, bytes });
  }

  #replay(session: SimSession): void {
    const kept = this.#retained.get(keyOf(session.address));
    for (const kind of downKinds) {
      const bytes = kept?.get(kind);
      if (bytes !== undefined) void session.deliver(downTopic(session.address, kind), bytes);
    }
  }

  #retain(address: DeviceAddress, kind: DownKind, bytes: Uint8Array): void {
    const kept = this.#retained.get(keyOf(address)) ?? new Map<DownKind, Uint8Array>();
    if (bytes.length === 0) kept.delete(kind);
    else kept.set(kind, Uint8Array.from(bytes));
    this.#retained.set(keyOf(address), kept);
  }

  #linkOf(name: string): SimLink {
    const known = this.#links.get(name);
    if (known !== undefined) return known;
    const link = new SimLink(this.#options.clock, this.#options.faults ?? perfectLink);
    this.#links.set(name, link);
    return link;
  }

  /** In the order of the addresses, so that a run depends on its seed alone. */
  #inOrder(): readonly SimSession[] {
    return [...this.#live.keys()].sort().flatMap((key) => this.#live.get(key) ?? []);
  }

  #on(link: string): readonly SimSession[] {
    const wire = this.#linkOf(link);
    return this.#inOrder().filter((session) => session.link === wire);
  }
}

const keyOf = ({ fleet, device }: DeviceAddress): string => `${fleet}/${device}`;

const refused = (message: string): OperatingError => new OperatingError('login-refused', message);

const unreachable = (message: string): OperatingError =>
  new OperatingError('connect-failed', message, { retryable: true });
