/**
 * P1: durable telemetry windows per second through the whole server (MQTT QoS 1 in, authenticated, validated, committed
 * with `synchronous=FULL`, acknowledged), 500 publishers, against Mosquitto merely acknowledging the same publishes
 * from the same generator. The server is a thread of this process, Mosquitto a process. Run after a build, where
 * `mosquitto` is on the path: `node dist/bench/p1-windows.js [publishers]`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { encodeFrame } from '../shared/codec/frame.ts';
import { downFilter, upTopic } from '../shared/contracts/topics.ts';
import { utf8 } from '../shared/core/bytes.ts';
import { sha256Hex } from '../shared/trust/hash.ts';
import { sessionMac } from '../shared/trust/session-mac.ts';
import { freePort } from '../test/support/free-ports.ts';
import { connectPacket, publishPacket, subscribePacket } from '../test/support/raw-mqtt.ts';
import { printFigure } from './figure.ts';
import { benchApp, benchDevice, benchEpoch, benchFleet, benchSessionKey } from './fleet-bench.ts';

const publishers = Number(process.argv[2] ?? 500);
const windowsEach = 80;
/** Windows of one device that are not acknowledged yet; all together they fit the server's queue. */
const inFlightMax = 8;

/** Every window of one device as the packet that carries it; `bytes`: of the window's text. */
function packetsOf(at: number, bytes: number): readonly Buffer[] {
  const device = benchDevice(at);
  const address = { fleet: benchFleet, device };
  const boot = sha256Hex(utf8(device)).slice(0, 32);
  const outbox = sha256Hex(utf8(`outbox ${device}`)).slice(0, 32);
  return Array.from({ length: windowsEach }, (_, index) => {
    const number = index + 1;
    const model = {
      ...{ app: benchApp, digest: `sha256:${'2'.repeat(64)}`, phase: 'committed' },
      ...{ inferences: 25, errors: [], latency: [0, 3, 20, 2], predicted: [10, 5, 10] },
      ...{ labelled: 25, correct: 24, confidenceMicros: 24_000_000, monitored: [] },
    };
    const window = { outbox, first: number, last: number, fromMs: 0, toMs: 1000, models: [model] };
    const body = utf8(JSON.stringify(window).padEnd(bytes));
    const context = { kind: 'up/window', device, epoch: benchEpoch, boot, seq: number } as const;
    const mac = sessionMac(benchSessionKey, context, body);
    const names = { v: 1, id: '0'.repeat(16), ts: 0, epoch: benchEpoch, boot } as const;
    const frame = encodeFrame({ ...names, seq: number, mac } as never, body);
    return publishPacket(upTopic(address, 'window'), Buffer.from(frame), 2);
  });
}

/** How many windows of a connection are acknowledged, given all that has come since its greeting. */
type AckedOf = (chunk: Buffer, before: number) => number;

/** Mosquitto answers with PUBACKs alone, of four bytes each. */
const byPuback = (): AckedOf => {
  let bytes = 0;
  return (chunk) => {
    bytes += chunk.length;
    return Math.floor(bytes / 4);
  };
};

/** Ours says up to which window everything is on disk. */
const byDurable = (): AckedOf => {
  let tail = '';
  return (chunk, before) => {
    const text = tail + chunk.toString('latin1');
    tail = text.slice(-40);
    const found = [...text.matchAll(/"durable":(\d+)[,}]/g)].map(([, number]) => Number(number));
    return Math.max(before, ...found);
  };
};

async function greet(port: number, at: number, login: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const address = { fleet: benchFleet, device: benchDevice(at) };
  const greeting = Buffer.concat([
    connectPacket({ clientId: address.device, password: login }),
    subscribePacket(downFilter(address)),
  ]);
  await new Promise<void>((resolve, reject) => {
    let bytes = 0;
    const heard = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes < 9) return;
      socket.off('data', heard);
      resolve();
    };
    socket.on('data', heard);
    socket.once('error', reject);
    socket.write(greeting);
  });
  return socket;
}

/** Publishes all windows, at most `inFlightMax` ahead of what is acknowledged. */
function publishAll(socket: Socket, packets: readonly Buffer[], ackedOf: AckedOf): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let acked = 0;
    const feed = (): void => {
      const to = Math.min(packets.length, acked + inFlightMax);
      if (to > sent) socket.write(Buffer.concat(packets.slice(sent, to)));
      sent = Math.max(sent, to);
      if (acked >= packets.length) resolve();
    };
    socket.on('data', (chunk: Buffer) => {
      acked = ackedOf(chunk, acked);
      feed();
    });
    socket.once('close', () => reject(new Error('a connection was closed')));
    feed();
  });
}

async function windowsPerSecond(options: {
  readonly port: number;
  readonly passwords: readonly string[];
  readonly bytes: number;
  readonly acked: () => AckedOf;
}): Promise<number> {
  const { port, passwords, bytes, acked } = options;
  const numbers = Array.from({ length: publishers }, (_, at) => at);
  const packets = numbers.map((at) => packetsOf(at, bytes));
  const sockets: Socket[] = [];
  for (const at of numbers) sockets.push(await greet(port, at, passwords[at] ?? 'any'));
  const beginMs = performance.now();
  await Promise.all(sockets.map((socket, at) => publishAll(socket, packets[at] ?? [], acked())));
  const seconds = (performance.now() - beginMs) / 1_000;
  for (const socket of sockets) socket.removeAllListeners('close').destroy();
  return (publishers * windowsEach) / seconds;
}

async function throughServer(bytes: number): Promise<number> {
  const worker = new Worker(new URL('./p1-server.js', import.meta.url), {
    workerData: { devices: publishers },
  });
  const heard = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  const opened = await heard<{ readonly port: number; readonly passwords: readonly string[] }>();
  const rate = await windowsPerSecond({ ...opened, bytes, acked: byDurable });
  const counting = heard<{ readonly windows: number }>();
  worker.postMessage('end');
  const { windows } = await counting;
  if (windows !== publishers * windowsEach) throw new Error(`${windows} windows are on disk`);
  return rate;
}

async function throughMosquitto(bytes: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'skein-p1-'));
  const port = await freePort();
  const file = join(folder, 'mosquitto.conf');
  await writeFile(file, `listener ${port} 127.0.0.1\nallow_anonymous true\nlog_type none\n`);
  const broker = spawn('mosquitto', ['-c', file], { stdio: 'ignore' });
  try {
    await untilListening(port, broker);
    return await windowsPerSecond({ port, passwords: [], bytes, acked: byPuback });
  } finally {
    broker.kill();
    await rm(folder, { recursive: true });
  }
}

async function untilListening(port: number, broker: ChildProcess): Promise<void> {
  broker.once('error', () => {
    console.error('mosquitto is not on the path: without the peer there is no ratio');
    process.exit(1);
  });
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const bytes of [300, 4096]) {
  const peer = await throughMosquitto(bytes);
  const value = await throughServer(bytes);
  printFigure({
    ...{ name: `durable windows of ${bytes} bytes, ${publishers} publishers`, value },
    ...{ unit: 'windows/s', against: `mosquitto acking, ${Math.round(peer)}/s` },
    ...{ ratio: value / peer, goal: '>= 0.5 (P1)' },
  });
}
