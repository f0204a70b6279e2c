import { Worker } from 'node:worker_threads';
import { builtFile } from '../../../shared/adapters/built-file.ts';
import type { HostData, HostNews, HostOrder } from './host-messages.ts';
import { learn, SeenDevice } from './seen-device.ts';

/** Devices that start at once; each start is a handshake and a dozen small files. */
const startsAtOnce = 25;
const endMsMax = 5_000;
const youngMb = 128;

/** The in-process devices as the play sees them: all in one thread beside the server's, sharing one inference host. */
export class DeviceHost {
  readonly devices: readonly SeenDevice[];
  inferences = 0;
  correct = 0;
  /** Digests that were tested in a process of their own. */
  selfTests = 0;
  /** Between two inferences of one device: what was asked, or more while the machine is full. */
  intervalMs = 0;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #opened: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(data: HostData) {
    this.devices = data.devices.map(({ id }) => new SeenDevice(id));
    this.#worker = new Worker(builtFile(import.meta.url, './device-host-entry.ts'), {
      workerData: data,
      execArgv: [],
      // The young of two hundred devices: in the space of one they would be old before they are dead.
      resourceLimits: { maxYoungGenerationSizeMb: youngMb },
    });
    this.#worker.on('message', (news: HostNews) => this.#receive(news));
    const failed = (error: Error): void => this.#opened?.reject(error);
    this.#worker.on('error', failed);
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        failed(new Error('the thread of the devices has ended'));
        resolve();
      });
    });
  }

  /** Opens all devices, a group at a time; `connected` resolves when that many have logged in. */
  async start(connected: (devices: number) => Promise<void>): Promise<void> {
    const all = this.devices.length;
    for (let from = 0; from < all; from += startsAtOnce) {
      const to = Math.min(all, from + startsAtOnce);
      await new Promise<void>((resolve, reject) => {
        this.#opened = { resolve, reject };
        this.#order({ kind: 'open', from, to });
      });
      await connected(to);
    }
  }

  /** Lets each device end its session; what does not end in time goes with the process. */
  async close(): Promise<void> {
    this.#order({ kind: 'stop' });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, endMsMax);
    });
    await Promise.race([this.#exited, late]);
    clearTimeout(timer);
  }

  #order(order: HostOrder): void {
    this.#worker.postMessage(order);
  }

  #receive(news: HostNews): void {
    if (news.kind === 'opened') this.#opened?.resolve();
    else if (news.kind === 'failed') this.#opened?.reject(new Error(news.message));
    else {
      this.inferences = news.inferences;
      this.correct = news.correct;
      this.selfTests = news.selfTests;
      this.intervalMs = news.intervalMs;
      for (const each of news.devices) {
        const device = this.devices[each.at];
        if (device !== undefined) learn(device, each);
      }
    }
  }
}
