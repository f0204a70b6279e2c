import { setMaxListeners } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { filetypeName } from '../../../firmware-bundles/zoo/filetype/bundle.ts';
import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import { HttpFetcher } from '../../../shared/adapters/http/http-fetcher.ts';
import { createOnnxRuntime } from '../../../shared/runtime/onnx-runtime.ts';
import { MemoryLog } from '../memory-log.ts';
import type { HostData, HostNews, HostOrder } from './host-messages.ts';
import { openDevice, readReplayFile } from './open-device.ts';
import { Pace } from './pace.ts';
import { type ReplayCounts, ReplayDevice } from './replay-device.ts';
import { newsOf, SeenDevice } from './seen-device.ts';
import { SharedHost } from './shared-host.ts';

/** The thread of the in-process devices: it shares nothing with the server's but the machine. */
const data = workerData as HostData;
const newsMs = 100;

const log = new MemoryLog();
const runtime = new SharedHost(createOnnxRuntime());
const pace = new Pace(clock);
const counts: ReplayCounts = { inferences: 0, correct: 0, errors: new Map() };
const devices: ReplayDevice[] = [];
const fetchers: HttpFetcher[] = [];
const stops: AbortController[] = [];
const lives: Promise<void>[] = [];

const say = (news: HostNews): void => parentPort?.postMessage(news);

async function open(at: number): Promise<void> {
  const given = data.devices[at];
  if (given === undefined) return;
  const { id, files } = given;
  const fetcher = new HttpFetcher({ origin: data.audience });
  fetchers.push(fetcher);
  const agent = await openDevice(data, { id, runtime, fetcher, log });
  const replayed = files.map((file) => readReplayFile(data.nodeModules, file));
  const seen = new SeenDevice(id);
  const device = new ReplayDevice({
    agent,
    seen,
    app: filetypeName,
    files: replayed,
    clock,
    counts,
  });
  devices[at] = device;
  // A signal for each device: adding a listener costs as much as there are already.
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  stops.push(stop);
  lives.push(agent.run(stop.signal));
  pace.add(device);
}

function tell(): void {
  const fresh = devices.flatMap((device, at) => {
    if (!device.isNews) return [];
    device.isNews = false;
    return [newsOf(at, device.seen)];
  });
  const { inferences, correct } = counts;
  const { selfTests } = runtime;
  const { intervalMs } = pace;
  say({ kind: 'news', inferences, correct, selfTests, intervalMs, devices: fresh });
}

async function stop(): Promise<void> {
  for (const each of stops) each.abort();
  await Promise.allSettled(lives);
  for (const fetcher of fetchers) fetcher.close();
}

const ended = new AbortController();
stops.push(ended);
lives.push(pace.run(ended.signal));
const telling = setInterval(tell, newsMs);

parentPort?.on('message', (order: HostOrder) => {
  if (order.kind === 'stop') {
    clearInterval(telling);
    void stop().then(() => parentPort?.close());
    return;
  }
  const numbers = Array.from({ length: order.to - order.from }, (_, at) => order.from + at);
  Promise.all(numbers.map(open)).then(
    () => say({ kind: 'opened' }),
    (error: unknown) => say({ kind: 'failed', message: String(error) }),
  );
});
