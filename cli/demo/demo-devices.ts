import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { closeSync, openSync, readSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { DeviceAgent } from '../../agent/runner/device-agent.ts';
import { filetypeName } from '../../firmware-bundles/zoo/filetype/bundle.ts';
import type { CatalogueFile } from '../../firmware-bundles/zoo/filetype/catalogue.ts';
import { filetypeFeatures } from '../../firmware-bundles/zoo/filetype/features.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { HttpFetcher } from '../../shared/adapters/http/http-fetcher.ts';
import { PromMetrics } from '../../shared/adapters/metrics/prom-metrics.ts';
import { MqttTransport } from '../../shared/adapters/mqtt/mqtt-transport.ts';
import { cryptoRandom as random } from '../../shared/adapters/random/crypto-random.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import type { BootId, DeviceId } from '../../shared/core/ids.ts';
import type { InferenceRuntime } from '../../shared/ports/inference-runtime.ts';
import type { Log } from '../../shared/ports/log.ts';
import { createSoftwareSigner } from '../../shared/trust/ed25519.ts';
import type { DemoServer } from './demo-server.ts';
import type { Pace } from './pace.ts';
import { ReplayDevice, type ReplayFile } from './replay-device.ts';

export interface DemoDevicesOptions {
  readonly server: DemoServer;
  readonly folder: string;
  readonly nodeModules: string;
  readonly runtime: InferenceRuntime;
  readonly pace: Pace;
  readonly log: Log;
  /** Ends a start that is under way. */
  readonly signal: AbortSignal;
  /** Files of each device. */
  readonly deal: readonly (readonly CatalogueFile[])[];
}

export interface DemoDevices {
  readonly all: readonly ReplayDevice[];
  close(): Promise<void>;
}

const windowMs = 1_000;
/** Devices that start at once; each start is a handshake and a dozen small files. */
const startsAtOnce = 25;
const gibibyte = 1024 * 1024 * 1024;
export const filetypeApp = filetypeName;
/** One for all devices of this process: nobody scrapes it, and a registry of each would cost memory. */
const metrics = new PromMetrics();

/** Starts in-process devices: the agent's own code over real MQTT, HTTP and files, with keys made on the spot. */
export async function startDemoDevices(options: DemoDevicesOptions): Promise<DemoDevices> {
  const stops: AbortController[] = [];
  const lives: Promise<void>[] = [];
  const fetchers: HttpFetcher[] = [];
  const all: ReplayDevice[] = [];
  const close = async (): Promise<void> => {
    for (const stop of stops) stop.abort();
    await Promise.all(lives);
    for (const fetcher of fetchers) fetcher.close();
  };
  try {
    for (let from = 0; from < options.deal.length; from += startsAtOnce) {
      const group = options.deal.slice(from, from + startsAtOnce);
      const started = await Promise.all(
        group.map((files, at) => {
          const fetcher = new HttpFetcher({ origin: options.server.audience });
          fetchers.push(fetcher);
          return openDevice(options, { number: from + at, files, fetcher });
        }),
      );
      for (const device of started) {
        // A signal for each device: adding a listener costs as much as there are already.
        const stop = new AbortController();
        setMaxListeners(0, stop.signal);
        stops.push(stop);
        lives.push(device.agent.run(stop.signal), device.replay(options.pace, stop.signal));
      }
      all.push(...started);
      await untilConnected(options.server, all.length);
      options.signal.throwIfAborted();
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { all, close };
}

async function openDevice(
  options: DemoDevicesOptions,
  one: {
    readonly number: number;
    readonly files: readonly CatalogueFile[];
    readonly fetcher: HttpFetcher;
  },
): Promise<ReplayDevice> {
  const { server, folder, nodeModules, runtime, log } = options;
  const id = `edge-${String(one.number + 1).padStart(3, '0')}` as DeviceId;
  const root = join(folder, id);
  await mkdir(root, { recursive: true });
  const agent = await DeviceAgent.open(
    {
      ...{ clock, random, runtime, log, metrics },
      disk: new NodeDisk({ root, onFsyncFailure: () => process.abort() }),
      fetcher: one.fetcher,
      transport: new MqttTransport({ url: server.brokerUrl }),
    },
    {
      address: { fleet: server.fleet, device: id },
      deviceKey: createSoftwareSigner(new Uint8Array(randomBytes(32))),
      boot: hexOf(random.bytes(16)) as BootId,
      audience: server.audience,
      claim: server.claim,
      pinnedRoot: server.rootMetadata,
      agentVersion: '0.1.0',
      builtAtMs: Date.UTC(2025, 0, 1),
      facts: { providers: 'cpu', 'cpu.arch': arch(), 'os.platform': platform() },
      zone: undefined,
      windowMs,
      memoryBytesMax: gibibyte,
      monthlyBytesMax: undefined,
      threads: 1,
      askToBeKilled: (reason) => log.error({ event: 'kill-asked', reason }, 'a worker hangs'),
    },
  );
  const files = one.files.map((file) => readReplayFile(nodeModules, file));
  return new ReplayDevice({ id, agent, app: filetypeApp, files, clock });
}

/** As much of the file as the model looks at. */
function readReplayFile(nodeModules: string, file: CatalogueFile): ReplayFile {
  const bytes = new Uint8Array(filetypeFeatures.prefixBytes);
  const handle = openSync(join(nodeModules, file.path), 'r');
  try {
    const length = readSync(handle, bytes, 0, bytes.length, 0);
    return { bytes: bytes.slice(0, length), label: file.label };
  } finally {
    closeSync(handle);
  }
}

const connectTimeoutMs = 60_000;

async function untilConnected(server: DemoServer, devices: number): Promise<void> {
  const endMs = clock.monotonicMs() + connectTimeoutMs;
  while (server.broker.connectedCount() < devices) {
    if (clock.monotonicMs() > endMs) {
      throw new Error(`${server.broker.connectedCount()} of ${devices} devices have connected`);
    }
    await clock.sleepUntil(clock.monotonicMs() + 20);
  }
}
