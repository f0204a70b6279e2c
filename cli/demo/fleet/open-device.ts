import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { DeviceAgent } from '../../../agent/runner/device-agent.ts';
import { filetypeFeatures } from '../../../firmware-bundles/zoo/filetype/features.ts';
import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import { NodeDisk } from '../../../shared/adapters/disk/node-disk.ts';
import type { HttpFetcher } from '../../../shared/adapters/http/http-fetcher.ts';
import { PromMetrics } from '../../../shared/adapters/metrics/prom-metrics.ts';
import { MqttTransport } from '../../../shared/adapters/mqtt/mqtt-transport.ts';
import { cryptoRandom as random } from '../../../shared/adapters/random/crypto-random.ts';
import { hexOf } from '../../../shared/core/bytes.ts';
import type { BootId, DeviceId } from '../../../shared/core/ids.ts';
import type { InferenceRuntime } from '../../../shared/ports/inference-runtime.ts';
import type { Log } from '../../../shared/ports/log.ts';
import { createSoftwareSigner } from '../../../shared/trust/ed25519.ts';
import type { LabelledPath } from '../prepare.ts';
import type { HostData } from './host-messages.ts';
import type { ReplayFile } from './replay-device.ts';

const windowMs = 1_000;
const gibibyte = 1024 * 1024 * 1024;
/** One for all devices of this process: nobody scrapes it, and a registry of each would cost memory. */
const metrics = new PromMetrics();

/** One device: the agent's own code over real MQTT, HTTP and files, with a key made on the spot. */
export async function openDevice(
  data: HostData,
  one: {
    readonly id: DeviceId;
    readonly runtime: InferenceRuntime;
    readonly fetcher: HttpFetcher;
    readonly log: Log;
  },
): Promise<DeviceAgent> {
  const { id, runtime, fetcher, log } = one;
  const root = join(data.folder, id);
  await mkdir(root, { recursive: true });
  return DeviceAgent.open(
    {
      ...{ clock, random, runtime, log, metrics, fetcher },
      disk: new NodeDisk({ root, onFsyncFailure: () => process.abort() }),
      transport: new MqttTransport({ url: data.brokerUrl }),
    },
    {
      address: { fleet: data.fleet, device: id },
      deviceKey: createSoftwareSigner(new Uint8Array(randomBytes(32))),
      boot: hexOf(random.bytes(16)) as BootId,
      audience: data.audience,
      claim: data.claim,
      pinnedRoot: data.rootMetadata,
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
}

/** As much of the file as the model looks at. */
export function readReplayFile(nodeModules: string, file: LabelledPath): ReplayFile {
  const bytes = new Uint8Array(filetypeFeatures.prefixBytes);
  const handle = openSync(join(nodeModules, file.path), 'r');
  try {
    const length = readSync(handle, bytes, 0, bytes.length, 0);
    return { bytes: bytes.slice(0, length), label: file.label };
  } finally {
    closeSync(handle);
  }
}
