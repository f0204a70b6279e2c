import { EmbeddedBroker } from '../fleet-server/adapters/broker/embedded-broker.ts';
import { systemClock } from '../shared/adapters/clock/system-clock.ts';
import { downTopic } from '../shared/contracts/topics.ts';
import { addressOf, createSuiteGate } from '../test/support/message-world.ts';
import { publishPacket } from '../test/support/raw-mqtt.ts';
import { openBareAedes } from './bare-aedes.ts';
import { connectClients, greetingBytes } from './connect-clients.ts';
import { printFigure, quantile } from './figure.ts';

/**
 * The broker's part of P2: one message of 2 KB to each of N connected devices, from the first publish to the last byte
 * received, against a bare aedes that publishes the same to the same sockets. Both run in turns;
 * the median pair counts.
 * `node dist/bench/broker-fanout.js [N]`; both ends of every socket are in this process.
 */
const devices = Number(process.argv[2] ?? 1000);
const runs = 5;
const frame = new Uint8Array(2048).fill(120);
const addresses = Array.from({ length: devices }, (_, i) => addressOf(`device-${i}`));
const nothing = (): void => undefined;

interface FanOut {
  readonly port: number;
  publish(index: number): void;
  readonly close: () => Promise<void>;
}

async function startEmbedded(): Promise<FanOut> {
  const broker = new EmbeddedBroker({
    listen: [{ host: '127.0.0.1', port: 0 }],
    clock: systemClock,
    metrics: { count: nothing, gauge: nothing, observe: nothing },
    log: { info: nothing, warn: nothing, error: nothing },
    bounds: { connectsBurst: devices, pendingMax: devices },
  });
  await broker.start(createSuiteGate(Date.now), { received: nothing });
  return {
    port: broker.ports()[0] ?? 0,
    publish: (index) => {
      const address = addresses[index];
      if (address !== undefined) void broker.publish(address, { kind: 'desired', bytes: frame });
    },
    close: () => broker.close(),
  };
}

async function startBare(): Promise<FanOut> {
  const { aedes, port, close } = await openBareAedes();
  const payload = Buffer.from(frame);
  return {
    ...{ port, close },
    publish: (index) => {
      const to = addresses[index];
      if (to === undefined) return;
      const topic = downTopic(to, 'desired');
      aedes.publish({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false }, nothing);
    },
  };
}

/** Milliseconds of each run, after one that warms up. */
async function measure(start: () => Promise<FanOut>): Promise<readonly number[]> {
  const broker = await start();
  const clients = await connectClients(broker.port, addresses, () => 'plant:600');
  const lengthOf = addresses.map(
    (address) => publishPacket(downTopic(address, 'desired'), Buffer.from(frame), 2).length,
  );
  const durations: number[] = [];
  for (let run = 0; run <= runs; run += 1) {
    const startedMs = performance.now();
    for (let i = 0; i < devices; i += 1) broker.publish(i);
    await Promise.all(
      clients.map((client, i) => client.length(greetingBytes + (run + 1) * (lengthOf[i] ?? 0))),
    );
    if (run > 0) durations.push(performance.now() - startedMs);
  }
  for (const client of clients) client.socket.destroy();
  await broker.close();
  return durations;
}

const ours: number[] = [];
const bare: number[] = [];
for (let turn = 0; turn < 2; turn += 1) {
  bare.push(...(await measure(startBare)));
  ours.push(...(await measure(startEmbedded)));
}
const value = quantile(ours, 0.5);
const peer = quantile(bare, 0.5);
printFigure({
  name: `fan-out of one message to each of ${devices} devices`,
  value,
  unit: 'ms',
  against: `bare aedes, ${peer.toPrecision(4)} ms`,
  ratio: value / peer,
  goal: '<= 2 x (P2)',
});
