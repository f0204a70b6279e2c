import type { Duplex } from 'node:stream';
import { Aedes, type ConnectPacket, type PublishPacket, type Subscription } from 'aedes';
import { limits } from '../../../shared/contracts/limits.ts';
import { type DeviceAddress, downTopic } from '../../../shared/contracts/topics.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { Log } from '../../../shared/ports/log.ts';
import type { Metrics } from '../../../shared/ports/metrics.ts';
import type { Broker, BrokerGate, BrokerListener, DownMessage } from '../../ports/broker.ts';
import { createAccessHooks } from './access-hooks.ts';
import { type BrokerBounds, defaultBrokerBounds } from './broker-bounds.ts';
import { type BrokerClient, type DeviceSession, DeviceSessions } from './device-sessions.ts';
import { guardReads } from './frame-guard.ts';
import { type Listener, type ListenOptions, openListener } from './listener.ts';
import { RetainedMessages } from './retained-messages.ts';
import { TokenBucket } from './token-bucket.ts';

export interface EmbeddedBrokerOptions {
  readonly listen: readonly ListenOptions[];
  /** Allows a listener beyond loopback without TLS; shown in the metrics. */
  readonly insecurePlaintext?: boolean;
  readonly bounds?: Partial<BrokerBounds>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/**
 * aedes 1.x inside the server, MQTT 3.1.1 over TCP, TLS or a Unix socket.
 *
 * INVARIANTS
 * - aedes has a session only for a connection that `DeviceSessions` admitted: token, id, keepalive
 * and will judged first.
 * - A session's aedes id is `<fleet>/<device>`, so equal device names in two fleets do not end each other.
 * - Every topic in or out passes the session's `TopicAccess`, at each delivery too.
 * - Messages to a device go straight to its connection: nothing is matched, nobody waits for another's slow reader.
 */
export class EmbeddedBroker implements Broker {
  readonly #options: EmbeddedBrokerOptions;
  readonly #bounds: BrokerBounds;
  readonly #sessions: DeviceSessions;
  readonly #retained = new RetainedMessages();
  readonly #connects: TokenBucket;
  readonly #listeners: Listener[] = [];
  readonly #streams = new Set<Duplex>();
  #pending = 0;
  #isStarted = false;
  #isClosing = false;
  #aedes: Aedes | undefined;

  constructor(options: EmbeddedBrokerOptions) {
    const { clock } = options;
    this.#options = options;
    this.#bounds = { ...defaultBrokerBounds, ...options.bounds };
    this.#sessions = new DeviceSessions({ clock, bounds: this.#bounds });
    const { connectsPerSecond: perSecond, connectsBurst: burst } = this.#bounds;
    this.#connects = new TokenBucket({ perSecond, burst }, clock.monotonicMs());
  }

  async start(gate: BrokerGate, listener: BrokerListener): Promise<void> {
    invariant(this.#aedes === undefined, 'a broker starts once');
    this.#aedes = await this.#createAedes(gate, listener);
    const { listen, insecurePlaintext = false, metrics } = this.#options;
    for (const options of listen) {
      this.#listeners.push(
        await openListener(
          { ...options, insecurePlaintext, handshakeMs: this.#bounds.loginTimeoutMs },
          { admit: () => this.#admitsConnection(), accept: (socket) => this.attach(socket) },
        ),
      );
    }
    const isPlaintext = this.#listeners.some((open) => open.isPlaintextBeyondLoopback);
    metrics.gauge('skein_plaintext_listener', isPlaintext ? 1 : 0, { door: 'broker' });
    this.#isStarted = true;
  }

  /** Ports of the listeners, in the order of the options. */
  ports(): readonly number[] {
    return this.#listeners.map((listener) => listener.port);
  }

  /** Takes a byte stream as a new connection: a socket, or one end of a pair in memory. */
  attach(stream: Duplex): void {
    invariant(this.#aedes !== undefined, 'the broker has not been started');
    this.#streams.add(stream);
    this.#pending += 1;
    guardReads(stream, (fault) => this.#denied(fault));
    const client = this.#aedes.handle(stream);
    const timer = setTimeout(() => {
      this.#denied('login-timeout');
      stream.destroy();
    }, this.#bounds.loginTimeoutMs);
    let isPending = true;
    const settled = (): void => {
      if (isPending) this.#pending -= 1;
      isPending = false;
      clearTimeout(timer);
    };
    client.once('connected', settled);
    stream.once('close', () => {
      settled();
      this.#sessions.left(client);
      this.#streams.delete(stream);
    });
  }

  async publish(address: DeviceAddress, message: DownMessage): Promise<void> {
    const { kind, bytes, retain = false } = message;
    invariant(bytes.length <= limits.frameBytesMax, 'a frame fits its limit');
    if (retain) this.#retained.put(address, kind, bytes);
    const session = this.#sessions.live(address);
    if (session !== undefined) this.#deliver(session, { kind, bytes, retain: false });
  }

  isOpen(): boolean {
    if (!this.#isStarted || this.#isClosing) return false;
    return this.#listeners.every((listener) => listener.isListening());
  }

  isConnected(address: DeviceAddress): boolean {
    return this.#sessions.live(address) !== undefined;
  }

  connectedCount(): number {
    return this.#sessions.liveCount;
  }

  async kick(address: DeviceAddress): Promise<void> {
    const session = this.#sessions.live(address);
    if (session !== undefined) await closed(session);
  }

  async purge(address: DeviceAddress): Promise<void> {
    this.#retained.forget(address);
    this.#sessions.cutEntering(address);
    const session = this.#sessions.live(address);
    if (session === undefined) return;
    session.client.will = null;
    await closed(session);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    const aedes = this.#aedes;
    if (aedes !== undefined) await new Promise<void>((resolve) => aedes.close(() => resolve()));
    // aedes closes its sessions; whoever was still logging in is cut here.
    for (const stream of this.#streams) stream.destroy();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  #admitsConnection(): boolean {
    if (this.#isClosing) return false;
    const { connectionsMax, pendingMax } = this.#bounds;
    const isFull = this.#streams.size >= connectionsMax || this.#pending >= pendingMax;
    if (isFull) this.#denied('connections');
    else if (this.#connects.tryTake(this.#options.clock.monotonicMs())) return true;
    else this.#denied('connect-rate');
    return false;
  }

  async #createAedes(gate: BrokerGate, listener: BrokerListener): Promise<Aedes> {
    const { clock, log } = this.#options;
    const denied = (reason: string): void => this.#denied(reason);
    const aedes = await Aedes.createBroker({
      ...createAccessHooks({ sessions: this.#sessions, clock, denied }),
      // Ours ends the wait and counts it; theirs would close in silence.
      connectTimeout: 2 * this.#bounds.loginTimeoutMs,
      drainTimeout: this.#bounds.drainTimeoutMs,
      maxTopicLevels: limits.topicLevelsMax,
      maxInflightInbound: limits.brokerInflightInboundMax,
      queueLimit: limits.brokerEarlyPacketsMax,
      preConnect: (client, packet, done) => {
        void this.#admit(gate, client as BrokerClient, packet).then((error) => done(error, !error));
      },
    });
    // The one reader of what devices publish, wills too, is this server: aedes would look for others, each time.
    const publishNotice = aedes.publish.bind(aedes) as Publish;
    const publish: Publish = (packet, client, done) => {
      const session = this.#sessions.of(client);
      if (session === undefined) {
        publishNotice(packet, client, done);
        return;
      }
      // A listener that rejects is a bug, and ends the process as an unhandled rejection.
      const received = this.#hand(session, packet, listener);
      if (received === undefined) done();
      else void received.then(() => done());
    };
    (aedes as { publish: unknown }).publish = publish;
    aedes.on('client', (client) => {
      this.#sessions.opened(client);
      this.#countSessions();
    });
    aedes.on('clientDisconnect', (client) => {
      this.#sessions.ended(client);
      this.#countSessions();
    });
    aedes.on('subscribe', (subscriptions, client) => this.#subscribed(subscriptions, client));
    aedes.on('unsubscribe', (_filters, client) => {
      const session = this.#sessions.of(client);
      if (session !== undefined) session.subscribedQos = undefined;
    });
    aedes.on(
      'error' as 'closed',
      ((cause: unknown) => {
        log.error({ event: 'broker-failed', err: cause }, 'The embedded broker failed.');
      }) as () => void,
    );
    return aedes;
  }

  /** The error that ends the connection, after its CONNACK is written, or `null` for a session that may begin. */
  async #admit(gate: BrokerGate, client: BrokerClient, packet: ConnectPacket) {
    const admitted = await this.#sessions.admit(gate, client, packet);
    if (admitted.ok) return null;
    const { reason, returnCode } = admitted.error;
    this.#denied(reason);
    // aedes ends a connection refused here without a word; a client must learn that trying again is no use.
    const connack = Uint8Array.of(0x20, 2, 0, returnCode);
    if (!client.closed) await new Promise<void>((done) => client.conn.write(connack, () => done()));
    return new Error(`connection refused: ${reason}`);
  }

  #subscribed(subscriptions: readonly Subscription[], client: object): void {
    const session = this.#sessions.of(client);
    if (session === undefined) return;
    for (const { topic, qos } of subscriptions) {
      // 128 is a refused subscription (MQTT-3.9.3-2).
      if ((qos as number) > 2 || !session.access.maySubscribe(topic)) continue;
      session.subscribedQos = qos === 0 ? 0 : 1;
      for (const [kind, bytes] of this.#retained.of(session.address)) {
        this.#deliver(session, { kind, bytes, retain: true });
      }
    }
  }

  #deliver(session: DeviceSession, { kind, bytes, retain }: Required<DownMessage>): void {
    const { client, address, subscribedQos } = session;
    if (subscribedQos === undefined) return;
    // A lost acknowledgement is repaired by the window that comes again; the broker need not keep it until it is heard.
    const qos = kind === 'ack' ? 0 : subscribedQos;
    if (client.conn.writableLength > this.#bounds.unsentBytesMax) {
      this.#denied('slow-reader');
      client.conn.destroy();
      return;
    }
    this.#options.metrics.count('skein_broker_messages_total', 1, { way: 'down' });
    const payload = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const topic = downTopic(address, kind);
    client.publish({ cmd: 'publish', topic, payload, qos, retain, dup: false }, ignoreOutcome);
  }

  #hand(session: DeviceSession, packet: PublishPacket, listener: BrokerListener) {
    const { topic, qos, payload } = packet;
    const kind = session.access.mayPublish({ topic, retain: false, qos });
    if (kind === undefined) return undefined;
    this.#options.metrics.count('skein_broker_messages_total', 1, { way: 'up' });
    // A copy of its own: the payload is a view of what was read, and a small one would keep all of that in memory.
    const bytes = Buffer.from(payload as Buffer);
    return listener.received({ address: session.address, kind, bytes });
  }

  #countSessions(): void {
    this.#options.metrics.gauge('skein_broker_connections', this.#sessions.liveCount);
  }

  #denied(reason: string): void {
    this.#options.metrics.count('skein_broker_denied_total', 1, { reason });
  }
}

type Publish = (packet: PublishPacket, client: object | null, done: () => void) => void;

const closed = (session: DeviceSession): Promise<void> =>
  new Promise((resolve) => session.client.close(() => resolve()));

/** Delivery proves nothing (MQTT is a hint), so nobody waits for it; a dead connection shows by its end. */
function ignoreOutcome(): void {
  // Nothing to do.
}
