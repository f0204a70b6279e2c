/**
 * Resident memory of a fleet server in a process of its own with N connected devices (store, director, broker; devices
 * that have logged in, subscribed and rest), against a bare aedes with as many. Run after a build:
 * `node dist/bench/server-memory.js [devices]`.
 */
import { fork } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { downFilter } from '../shared/contracts/topics.ts';
import { connectPacket, subscribePacket } from '../test/support/raw-mqtt.ts';
import { openBareAedes } from './bare-aedes.ts';
import { printFigure } from './figure.ts';
import { benchDevice, benchFleet, openFleetBench } from './fleet-bench.ts';

type Kind = 'server' | 'aedes';
interface Opened {
  readonly port: number;
  readonly passwords: readonly string[];
}

const mebibyte = 1024 * 1024;

async function openServer(devices: number): Promise<Opened> {
  const bench = await openFleetBench(devices);
  const passwords: string[] = [];
  for (let at = 0; at < devices; at += 1) passwords.push(await bench.login(benchDevice(at)));
  process.once('beforeExit', () => void bench.close());
  return { port: bench.port, passwords };
}

async function openAedes(): Promise<Opened> {
  const { port } = await openBareAedes();
  return { port, passwords: [] };
}

/** The child: opens its broker, says where, and says its memory when it is asked. */
async function serve(kind: Kind, devices: number): Promise<void> {
  const opened = kind === 'server' ? await openServer(devices) : await openAedes();
  process.on('message', () => process.send?.(process.memoryUsage.rss()));
  process.send?.(opened);
}

async function residentBytes(kind: Kind, devices: number): Promise<number> {
  const child = fork(fileURLToPath(import.meta.url), [String(devices), kind]);
  const heard = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      child.once('message', (message) => resolve(message as T));
      child.once('exit', () => reject(new Error('the server ended')));
    });
  const { port, passwords } = await heard<Opened>();
  const sockets: Socket[] = [];
  for (let at = 0; at < devices; at += 1) {
    const address = { fleet: benchFleet, device: benchDevice(at) };
    const socket = connect({ host: '127.0.0.1', port });
    const login = { clientId: address.device, password: passwords[at] ?? 'any', keepaliveS: 600 };
    socket.write(Buffer.concat([connectPacket(login), subscribePacket(downFilter(address))]));
    await new Promise((resolve) => socket.once('data', resolve));
    sockets.push(socket);
  }
  // What logging in has left behind is collected, or not: a server is measured as it stands.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const answer = heard<number>();
  child.send('memory');
  const bytes = await answer;
  child.removeAllListeners('exit');
  child.kill('SIGKILL');
  for (const socket of sockets) socket.on('error', () => undefined).destroy();
  return bytes;
}

const devices = Number(process.argv[2] ?? 1000);
const kind = process.argv[3] as Kind | undefined;
if (kind === undefined) {
  const peer = (await residentBytes('aedes', devices)) / mebibyte;
  const value = (await residentBytes('server', devices)) / mebibyte;
  printFigure({
    ...{ name: `fleet server with ${devices} connected devices`, value, unit: 'MiB resident' },
    ...{ against: `bare aedes, ${peer.toFixed(0)} MiB`, ratio: value / peer, goal: '< 400 MB' },
  });
} else {
  await serve(kind, devices);
}
