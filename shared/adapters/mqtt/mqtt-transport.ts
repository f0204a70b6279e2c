import type { Duplex } from 'node:stream';
import { type IClientOptions, MqttClient } from 'mqtt';
import { limits } from '../../contracts/limits.ts';
import { OperatingError } from '../../core/operating-error.ts';
import type {
  Transport,
  TransportConnect,
  TransportListener,
  TransportSession,
} from '../../ports/transport.ts';
import { type DialOptions, dial } from './dial.ts';
import { createNullStore } from './null-store.ts';

/** Where the streams come from: an address, or whatever a test connects. */
export type MqttTransportOptions = DialOptions | { readonly open: () => Duplex };

/**
 * mqtt.js as a hint channel: MQTT 3.1.1, clean sessions, QoS 1, one client for one connection. Coming back, with
 * full jitter, is the runner's decision: the library's fixed period makes herds, and its clients have been seen
 * stuck "connecting" for ever, so each attempt is a new one.
 */
export class MqttTransport implements Transport {
  readonly #options: MqttTransportOptions;

  constructor(options: MqttTransportOptions) {
    this.#options = options;
  }

  /** Throws `login-refused` for a CONNACK that says so or a refused subscription, else `connect-failed`. */
  async connect(options: TransportConnect, listener: TransportListener): Promise<TransportSession> {
    const session = new MqttSession(this.#stream(), options, listener);
    await session.opened();
    return session;
  }

  #stream(): Duplex {
    return 'open' in this.#options ? this.#options.open() : dial(this.#options);
  }
}

/** Identifier rejected, bad login, not authorized (MQTT 3.1.1, table 3.1): trying again with the same is no use. */
const loginCodes = new Set([2, 4, 5]);

type Phase = 'opening' | 'open' | 'ended';

class MqttSession implements TransportSession {
  readonly #client: MqttClient;
  readonly #options: TransportConnect;
  readonly #listener: TransportListener;
  readonly #waiting = new Set<(error: OperatingError) => void>();
  #phase: Phase = 'opening';
  #isClosing = false;
  #cause: Error | undefined;

  constructor(stream: Duplex, options: TransportConnect, listener: TransportListener) {
    this.#options = options;
    this.#listener = listener;
    this.#client = new MqttClient(() => stream, clientOptions(options));
    // The library's default acknowledges at once; here PUBACK follows what the listener has done.
    this.#client.handleMessage = (packet, done) => {
      void this.#take(packet.topic, packet.payload, done);
    };
    this.#client.on('error', (error) => {
      this.#cause ??= error;
    });
    this.#client.on('close', () => this.#ended());
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: OperatingError): void => {
        clearTimeout(timer);
        this.#phase = 'ended';
        this.#client.end(true);
        reject(error);
      };
      const timer = setTimeout(() => {
        failed(new OperatingError('connect-failed', 'no answer in time', { retryable: true }));
      }, limits.transportConnectTimeoutMs);
      this.#waiting.add(failed);
      this.#client.on('connect', () => {
        const filters = [...this.#options.subscribe];
        const subscribed = (error: Error | null): void => {
          // A refused filter comes as an error of the whole call; a lost connection comes as `close`.
          if (error !== null) {
            if (this.#client.connected) failed(this.#failure(error, 'login-refused'));
            return;
          }
          clearTimeout(timer);
          this.#waiting.delete(failed);
          if (this.#phase === 'opening') this.#phase = 'open';
          resolve();
        };
        if (filters.length === 0) subscribed(null);
        else this.#client.subscribe(filters, { qos: 1 }, subscribed);
      });
    });
  }

  publish(topic: string, bytes: Uint8Array, options: { readonly retain?: boolean } = {}) {
    return new Promise<void>((resolve, reject) => {
      if (this.#phase !== 'open' || this.#isClosing) {
        reject(closedError(this.#cause));
        return;
      }
      if (this.#waiting.size >= limits.transportInflightMax) {
        const message = `${this.#waiting.size} messages wait for the broker`;
        reject(new OperatingError('transport-busy', message, { retryable: true }));
        return;
      }
      this.#waiting.add(reject);
      const payload = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      const { retain = false } = options;
      this.#client.publish(topic, payload, { qos: 1, retain }, (error) => {
        // An error here is the connection's; `close` rejects for all at once.
        if (!error) {
          this.#waiting.delete(reject);
          resolve();
        }
      });
    });
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const { stream } = this.#client;
    if (!stream.destroyed) {
      await new Promise<void>((resolve) => {
        const cut = setTimeout(() => stream.destroy(), closeTimeoutMs);
        stream.once('close', () => {
          clearTimeout(cut);
          resolve();
        });
        // The library holds DISCONNECT back until every publish is acknowledged; the broker needs it to drop the will
        // (MQTT-3.14.4-3), and what waits is sent again by its owner.
        stream.end(disconnectPacket);
      });
    }
    this.#ended();
  }

  async #take(topic: string, payload: string | Buffer, done: (error?: Error) => void) {
    if (this.#phase === 'ended') return;
    try {
      await this.#listener.received(topic, Buffer.from(payload));
    } catch (cause) {
      // Not acknowledged: a server that goes on has to send again, and the next session reconciles.
      this.#cause ??= cause instanceof Error ? cause : new Error('the listener failed');
      this.#client.end(true);
      return;
    }
    done();
  }

  #ended(): void {
    if (this.#phase === 'ended') return;
    const wasOpen = this.#phase === 'open';
    this.#phase = 'ended';
    const error = wasOpen
      ? closedError(this.#cause)
      : this.#failure(this.#cause, isRefusal(this.#cause) ? 'login-refused' : 'connect-failed');
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const reject of waiting) reject(error);
    this.#client.end(true);
    if (wasOpen && !this.#isClosing) {
      this.#listener.closed(this.#cause?.message ?? 'the connection was closed');
    }
  }

  #failure(cause: Error | undefined, code: 'login-refused' | 'connect-failed'): OperatingError {
    const message = cause?.message ?? 'the connection was closed';
    return new OperatingError(code, message, { cause, retryable: code === 'connect-failed' });
  }
}

const closeTimeoutMs = 2_000;
const disconnectPacket = Uint8Array.of(0xe0, 0);

function clientOptions(options: TransportConnect): IClientOptions {
  const { clientId, password, will, keepaliveMs } = options;
  return {
    protocolId: 'MQTT',
    protocolVersion: 4,
    // Else the library keeps a buffer for each of the 65536 packet numbers: 6 MB on every device.
    writeCache: false,
    clean: true,
    clientId,
    username: clientId,
    password,
    keepalive: Math.max(1, Math.round(keepaliveMs / 1000)),
    reconnectPeriod: 0,
    connectTimeout: limits.transportConnectTimeoutMs,
    resubscribe: false,
    queueQoSZero: false,
    timerVariant: 'native',
    incomingStore: createNullStore(),
    outgoingStore: createNullStore(),
    will: { topic: will.topic, payload: Buffer.from(will.bytes), qos: 1, retain: false },
  };
}

const isRefusal = (cause: Error | undefined): boolean =>
  cause !== undefined &&
  'code' in cause &&
  typeof cause.code === 'number' &&
  loginCodes.has(cause.code);

const closedError = (cause: Error | undefined): OperatingError =>
  new OperatingError('session-closed', 'the session ended first', { cause, retryable: true });
