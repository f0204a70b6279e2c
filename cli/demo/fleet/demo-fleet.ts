import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { filetypeName } from '../../../firmware-bundles/zoo/filetype/bundle.ts';
import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import { printEnrolment } from '../../../shared/contracts/enrolment-string.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import type { DemoServer } from '../demo-server.ts';
import type { Deal } from '../prepare.ts';
import { type DaemonCounts, watchDaemons } from './daemon-watch.ts';
import { Daemons } from './daemons.ts';
import { DeviceHost } from './device-host.ts';
import type { SeenDevice } from './seen-device.ts';

export interface DemoFleetOptions {
  readonly server: DemoServer;
  readonly folder: string;
  readonly nodeModules: string;
  /** Files of each device; the last `daemons` of them go to daemons. */
  readonly deal: Deal;
  readonly daemons: number;
  readonly signal: AbortSignal;
}

const connectMsMax = 60_000;
/** Names of the daemons, and the filter that finds them. */
export const daemonFilter = 'device ~ "daemon-*"';

/** All devices of the play: most in one thread of this process, some as daemons with everything of their own. */
export class DemoFleet {
  readonly devices: readonly SeenDevice[];
  readonly daemons: readonly SeenDevice[];
  readonly #host: DeviceHost;
  readonly #daemons: Daemons;
  readonly #counts: DaemonCounts = { inferences: 0, correct: 0 };
  readonly #stop = new AbortController();
  #watching: Promise<void> = Promise.resolve();

  private constructor(host: DeviceHost, daemons: Daemons) {
    this.#host = host;
    this.#daemons = daemons;
    this.daemons = daemons.devices;
    this.devices = [...host.devices, ...daemons.devices];
  }

  /** Starts everything and resolves when all are connected. `opened` gets the fleet at once, to close it. */
  static async start(
    options: DemoFleetOptions,
    opened: (fleet: DemoFleet) => void,
  ): Promise<DemoFleet> {
    const { server, folder, nodeModules, deal, daemons: count, signal } = options;
    await mkdir(folder, { recursive: true });
    const inProcess = deal.length - count;
    const nameOf = (kind: string, at: number): DeviceId =>
      `${kind}-${String(at + 1).padStart(3, '0')}` as DeviceId;
    const host = new DeviceHost({
      ...{ fleet: server.fleet, audience: server.audience, brokerUrl: server.brokerUrl },
      ...{ claim: server.claim, rootMetadata: server.rootMetadata, folder, nodeModules },
      devices: deal.slice(0, inProcess).map((files, at) => ({ id: nameOf('edge', at), files })),
    });
    const root = digestOf(server.rootMetadata);
    const daemons = new Daemons({
      ...{ fleet: server.fleet, folder },
      enrolment: printEnrolment({ origin: server.audience, claim: server.claim, root }),
      plans: deal.slice(inProcess).map((files, at) => ({
        id: nameOf('daemon', at),
        files: files.map(({ path }) => join(nodeModules, path)),
      })),
    });
    const fleet = new DemoFleet(host, daemons);
    opened(fleet);
    await daemons.start();
    signal.throwIfAborted();
    await host.start((devices) => untilConnected(server, devices, signal));
    await untilConnected(server, deal.length, signal);
    fleet.#watching = watchDaemons(
      {
        ...{ store: server.store, fleet: server.fleet, app: filetypeName },
        ...{ devices: daemons.devices, counts: fleet.#counts },
      },
      fleet.#stop.signal,
    );
    return fleet;
  }

  get inferences(): number {
    return this.#host.inferences + this.#counts.inferences;
  }

  get correct(): number {
    return this.#host.correct + this.#counts.correct;
  }

  /** Digests that the shared host tested in a process of their own. */
  get selfTests(): number {
    return this.#host.selfTests;
  }

  /** Between two inferences of one in-process device. */
  get intervalMs(): number {
    return this.#host.intervalMs;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#watching, this.#host.close(), this.#daemons.close()]);
  }
}

async function untilConnected(
  { broker }: DemoServer,
  devices: number,
  signal: AbortSignal,
): Promise<void> {
  const endMs = clock.monotonicMs() + connectMsMax;
  while (broker.connectedCount() < devices) {
    signal.throwIfAborted();
    if (clock.monotonicMs() > endMs) {
      throw new Error(`${broker.connectedCount()} of ${devices} devices have connected`);
    }
    await clock.sleepUntil(clock.monotonicMs() + 20, signal);
  }
}
