import { type IClientOptions, MqttClient } from 'mqtt';
import { limits } from '../../contracts/limits.ts';
import { OperatingError } from '../../core/operating-error.ts';
import { dial } from './dial.ts';
import { createNullStore } from './null-store.ts';

export interface LocalBrokerOptions {
  /** `mqtt://`, `mqtts://` or `unix:/`: a broker on the device's own network, which belongs to somebody else. */
  readonly url: string;
  readonly ca?: string;
  readonly login?: { readonly username: string; readonly password: string };
  readonly clientId: string;
  readonly topic: string;
}

export interface LocalBrokerListener {
  received(topic: string, bytes: Uint8Array): void;
  /** Called once, when the connection has ended for whatever reason. */
  closed(reason: string): void;
}

export interface LocalBrokerSession {
  /** QoS 1; resolves at PUBACK. Rejects with `session-closed` or `transport-busy`. */
  publish(topic: string, bytes: Uint8Array): Promise<void>;
  close(): void;
}

/**
 * One connection to a foreign MQTT 3.1.1 broker, subscribed to one topic. Unlike the fleet's
 * transport it has no will and
 * acknowledges at once: a machine that talks to a model wants no message of a minute ago. Throws `connect-failed`.
 */
export async function openLocalBroker(
  options: LocalBrokerOptions,
  listener: LocalBrokerListener,
): Promise<LocalBrokerSession> {
  const { url, ca, topic } = options;
  const stream = dial({ url, ...(ca === undefined ? {} : { ca }) });
  const client = new MqttClient(() => stream, clientOptions(options));
  let cause: Error | undefined;
  client.on('error', (error) => {
    cause ??= error;
  });
  // Before the subscription: a retained message may come in one piece with its SUBACK.
  client.on('message', (from, payload) => listener.received(from, Uint8Array.from(payload)));
  await subscribed(client, topic, () => cause);
  const waiting = new Set<(error: OperatingError) => void>();
  const ended = (): void => {
    const error = new OperatingError('session-closed', 'the local broker went away', { cause });
    for (const reject of [...waiting]) reject(error);
    waiting.clear();
    client.end(true);
    listener.closed(cause?.message ?? 'the connection was closed');
  };
  client.once('close', ended);
  return {
    publish: (to, bytes) =>
      new Promise((resolve, reject) => {
        if (!client.connected) {
          reject(new OperatingError('session-closed', 'the local broker went away', { cause }));
          return;
        }
        if (waiting.size >= limits.transportInflightMax) {
          reject(new OperatingError('transport-busy', `${waiting.size} answers wait`));
          return;
        }
        waiting.add(reject);
        client.publish(to, Buffer.from(bytes), { qos: 1 }, (error) => {
          if (error) return;
          waiting.delete(reject);
          resolve();
        });
      }),
    close: () => {
      client.off('close', ended);
      client.end(true);
    },
  };
}

function subscribed(
  client: MqttClient,
  topic: string,
  cause: () => Error | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (reason: string): void => {
      clearTimeout(timer);
      client.end(true);
      reject(new OperatingError('connect-failed', reason, { cause: cause(), retryable: true }));
    };
    const closed = (): void => failed('the local broker closed the connection');
    const timer = setTimeout(
      () => failed('the local broker did not answer'),
      limits.transportConnectTimeoutMs,
    );
    client.once('close', closed);
    client.once('connect', () => {
      client.subscribe([topic], { qos: 1 }, (error) => {
        if (error !== null) {
          failed('the local broker refused the subscription');
          return;
        }
        clearTimeout(timer);
        client.off('close', closed);
        resolve();
      });
    });
  });
}

function clientOptions({ clientId, login }: LocalBrokerOptions): IClientOptions {
  return {
    protocolId: 'MQTT',
    protocolVersion: 4,
    // Else the library keeps a buffer for each of the 65536 packet numbers: 6 MB on every device.
    writeCache: false,
    clean: true,
    clientId,
    ...login,
    keepalive: Math.round(limits.keepaliveMs / 1000),
    reconnectPeriod: 0,
    connectTimeout: limits.transportConnectTimeoutMs,
    resubscribe: false,
    queueQoSZero: false,
    timerVariant: 'native',
    incomingStore: createNullStore(),
    outgoingStore: createNullStore(),
  };
}
