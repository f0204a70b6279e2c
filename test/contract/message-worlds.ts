import { connect } from 'node:net';
import { Duplex, type Duplex as DuplexStream } from 'node:stream';
import {
  EmbeddedBroker,
  type EmbeddedBrokerOptions,
} from '../../fleet-server/adapters/broker/embedded-broker.ts';
import { systemClock } from '../../shared/adapters/clock/system-clock.ts';
import { MqttTransport } from '../../shared/adapters/mqtt/mqtt-transport.ts';
import { createPrng } from '../../shared/core/prng.ts';
import type { LinkFaults } from '../../sim/world/link-faults.ts';
import { SimBroker } from '../../sim/world/sim-broker.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { TimeLoop } from '../../sim/world/time-loop.ts';
import type { MessageWorld } from '../support/message-world.ts';

/** What the broker counted as refused, by reason. */
export class DeniedCounts {
  readonly byReason = new Map<string, number>();
  readonly count = (name: string, by = 1, labels: Readonly<Record<string, string>> = {}): void => {
    if (name !== 'skein_broker_denied_total') return;
    const reason = labels['reason'] ?? '';
    this.byReason.set(reason, (this.byReason.get(reason) ?? 0) + by);
  };
  readonly gauge = (): void => undefined;
  readonly observe = (): void => undefined;
}

const loudLog = {
  info: () => undefined,
  warn: () => undefined,
  error: (_fields: unknown, sentence: string) => {
    throw new Error(sentence);
  },
};

export function createBroker(options: Partial<EmbeddedBrokerOptions> = {}) {
  const metrics = new DeniedCounts();
  const broker = new EmbeddedBroker({
    listen: [{ host: '127.0.0.1', port: 0 }],
    clock: systemClock,
    metrics,
    log: loudLog,
    ...options,
  });
  return { broker, metrics };
}

const realPass = (ms = 5): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(ms, 5) + 25));

/** Real aedes and real mqtt.js; `open` is the way of a stream from one to the other. */
function realWorld(broker: EmbeddedBroker, open: () => DuplexStream): MessageWorld {
  const streams = new Map<string, DuplexStream>();
  return {
    broker,
    nowMs: () => Date.now(),
    transport: (link) =>
      new MqttTransport({
        open: () => {
          const stream = open();
          streams.set(link, stream);
          return stream;
        },
      }),
    cut: async (link) => void streams.get(link)?.destroy(),
    pass: realPass,
    settle: (work) => work,
    close: () => broker.close(),
  };
}

export async function socketWorld(): Promise<MessageWorld> {
  const { broker } = createBroker();
  return realWorld(broker, () => connect({ host: '127.0.0.1', port: broker.ports()[0] ?? 0 }));
}

/** The middle tier: both libraries over a pair of streams in memory. */
export async function pairWorld(): Promise<MessageWorld> {
  const { broker } = createBroker({ listen: [] });
  let isClosed = false;
  const world = realWorld(broker, () => {
    const [near, far] = duplexPair();
    if (isClosed) near.destroy(new Error('nobody listens'));
    else broker.attach(far);
    return near;
  });
  const close = broker.close.bind(broker);
  broker.close = () => {
    isClosed = true;
    return close();
  };
  return world;
}

/** Two streams, each reading what the other writes; the end of one is the end of the other. */
function duplexPair(): [DuplexStream, DuplexStream] {
  const half = (peer: () => Duplex): Duplex =>
    new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        if (!peer().destroyed) peer().push(chunk);
        setImmediate(done);
      },
      final: (done) => {
        if (!peer().destroyed) peer().push(null);
        done();
      },
      destroy: (error, done) => {
        setImmediate(() => peer().destroy());
        done(error);
      },
    });
  const near: Duplex = half(() => far);
  const far: Duplex = half(() => near);
  return [near, far];
}

export interface SimMessageWorld extends MessageWorld {
  readonly broker: SimBroker;
}

export async function simWorld(faults?: LinkFaults, seed = 'contract'): Promise<SimMessageWorld> {
  const time = new WorldTime();
  const loop = new TimeLoop(time);
  const clock = new SimClock(time, 'server');
  const broker = new SimBroker({
    clock,
    prng: createPrng(seed),
    ...(faults === undefined ? {} : { faults }),
  });
  return {
    broker,
    nowMs: () => clock.nowMs(),
    transport: (link) => broker.transport(link),
    cut: async (link) => broker.cut(link),
    pass: (ms = 1) => loop.runFor(ms),
    settle: (work) => loop.runUntil(work),
    close: async () => undefined,
  };
}
