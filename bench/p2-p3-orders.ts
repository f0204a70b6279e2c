/**
 * P2: from the order to start a rollout to a signed `desired` received by each of N connected devices (jitter 0), and
 * P3, the server's part: from the order to abort it to the next `desired` received by each. Through the real server:
 * file store, director, embedded broker, sockets. Against a bare aedes that publishes as many bytes to the same
 * sockets. Run after a build: `node dist/bench/p2-p3-orders.js [devices]`; both ends of every socket are in this
 * process.
 */
import { downTopic } from '../shared/contracts/topics.ts';
import type { Digest, TargetPath } from '../shared/core/ids.ts';
import { publishPacket } from '../test/support/raw-mqtt.ts';
import { openBareAedes } from './bare-aedes.ts';
import { connectClients, greetingBytes } from './connect-clients.ts';
import { printFigure } from './figure.ts';
import { benchApp, benchDevice, benchFleet, openFleetBench } from './fleet-bench.ts';

const devices = Number(process.argv[2] ?? 1000);
const addresses = Array.from({ length: devices }, (_, at) => ({
  fleet: benchFleet,
  device: benchDevice(at),
}));
/** No `desired` is shorter; each arrives whole. */
const orderBytesMin = 500;
const person = { kind: 'person', name: 'bench' } as const;

async function measureServer() {
  const bench = await openFleetBench(devices);
  const clients = await connectClients(bench.port, addresses, (at) => bench.login(benchDevice(at)));
  const { rollouts } = bench.server;
  const created = await rollouts.create(benchFleet, {
    author: 'bench',
    request: {
      app: benchApp,
      path: 'bundles/filetype@2.0.0' as TargetPath,
      digest: `sha256:${'2'.repeat(64)}` as Digest,
      target: 'state = accepted',
      waves: [{ percent: 100 }],
    },
  });
  if (!created.ok) throw new Error(created.error.message);
  const address = { fleet: benchFleet, rollout: created.value.rollout };
  const order = async (
    event: { readonly type: 'submitted' } | { readonly type: 'aborted'; readonly why: string },
    bytesBefore: readonly number[],
  ): Promise<number> => {
    const beginMs = performance.now();
    const done = await rollouts.order(address, {
      event: { ...event, by: person },
      version: undefined,
    });
    if (!done.ok) throw new Error(done.error.code);
    bench.server.wake();
    await Promise.all(
      clients.map((client, at) => client.length((bytesBefore[at] ?? 0) + orderBytesMin)),
    );
    return performance.now() - beginMs;
  };
  const lengths = () => clients.map((client) => client.received().length);
  const startMs = await order(
    { type: 'submitted' },
    clients.map(() => greetingBytes),
  );
  const afterStart = lengths();
  const abortMs = await order({ type: 'aborted', why: 'measured' }, afterStart);
  for (const client of clients) client.socket.destroy();
  await bench.close();
  return { startMs, abortMs, frameBytes: Math.round((afterStart[0] ?? 0) - greetingBytes) };
}

/** Milliseconds in which a bare broker gets a frame of that size to each. */
async function measureBare(frameBytes: number): Promise<number> {
  const { aedes, port, close } = await openBareAedes();
  const clients = await connectClients(port, addresses, () => 'any');
  const payload = Buffer.alloc(frameBytes, 120);
  const beginMs = performance.now();
  for (const address of addresses) {
    const topic = downTopic(address, 'desired');
    const message = { cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false } as const;
    aedes.publish(message, () => undefined);
  }
  await Promise.all(
    clients.map((client, at) => {
      const address = addresses[at];
      const topic = address === undefined ? '' : downTopic(address, 'desired');
      return client.length(greetingBytes + publishPacket(topic, payload, 2).length);
    }),
  );
  const ms = performance.now() - beginMs;
  for (const client of clients) client.socket.destroy();
  await close();
  return ms;
}

const { startMs, abortMs, frameBytes } = await measureServer();
const bareMs = await measureBare(frameBytes);
const peer = {
  against: `bare aedes, ${frameBytes} bytes to each, ${bareMs.toPrecision(4)} ms`,
  unit: 'ms',
};
printFigure({
  ...{ name: `start of a rollout to desired at ${devices} devices`, value: startMs, ...peer },
  ...{ ratio: startMs / bareMs, goal: '<= 2 x (P2)' },
});
printFigure({
  ...{ name: `abort of it to desired at ${devices} devices`, value: abortMs, ...peer },
  ...{ ratio: abortMs / bareMs, goal: '<= 10 s at 10,000 (P3, the server)' },
});
