import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filetypeTrainable } from '../../firmware-bundles/zoo/filetype/graph.ts';
import { verifyAudit } from '../../fleet-server/runner/verify-audit.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { HttpFetcher } from '../../shared/adapters/http/http-fetcher.ts';
import { createOnnxRuntime } from '../../shared/runtime/onnx-runtime.ts';
import { playUnsigned, tamperWithBlob } from './attack.ts';
import { type DemoDevices, startDemoDevices } from './demo-devices.ts';
import type { DemoResult } from './demo-result.ts';
import { type DemoServer, startDemoServer } from './demo-server.ts';
import { watchFleet } from './fleet-watch.ts';
import type { LiveView } from './live-view.ts';
import { MemoryLog } from './memory-log.ts';
import { Pace } from './pace.ts';
import { nameOf, type Play, playRollout } from './play-rollout.ts';
import { type Prepared, prepare } from './prepare.ts';
import { findNodeModules } from './project-folder.ts';
import { Publisher } from './publisher.ts';
import type { ResultRow } from './result-row.ts';
import { SharedHost } from './shared-host.ts';

export interface DemoOptions {
  readonly devices: number;
  readonly view: LiveView;
  readonly signal: AbortSignal;
}

/** Plays all scenes below a folder of its own, which is gone afterwards, as is every process. */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const folder = await mkdtemp(join(tmpdir(), 'skein-demo-'));
  const closers: (() => Promise<void>)[] = [];
  try {
    return await playIn(folder, options, closers);
  } finally {
    for (const close of closers.reverse()) await within(close());
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const closeMsMax = 5_000;

/** What hangs while it closes must not keep the folder on disk. */
async function within(closing: Promise<void>): Promise<void> {
  const late = new AbortController();
  await Promise.race([closing, clock.sleepUntil(clock.monotonicMs() + closeMsMax, late.signal)]);
  late.abort();
}

async function playIn(
  folder: string,
  { devices, view, signal }: DemoOptions,
  closers: (() => Promise<void>)[],
): Promise<DemoResult> {
  const nodeModules = findNodeModules();
  view.say('reading the installed packages, fitting and packing the releases');
  const prepared = await prepare(nodeModules, { devices, nowMs: clock.nowMs() });
  signal.throwIfAborted();
  const log = new MemoryLog();
  await mkdir(join(folder, 'server'));
  await mkdir(join(folder, 'devices'));
  const server = await startDemoServer(join(folder, 'server'), { devices, log });
  closers.push(() => server.close());
  const publisher = await publishFirst(server, prepared, closers);
  view.say(`server at ${server.audience}, broker at ${server.brokerUrl}`);
  const pace = new Pace(clock);
  const runtime = new SharedHost(createOnnxRuntime());
  const started = await startDemoDevices({
    ...{ server, nodeModules, runtime, pace, log, signal, deal: prepared.deal },
    folder: join(folder, 'devices'),
  });
  closers.push(() => started.close());
  view.say(
    `${devices} devices in this process share one inference host; it self-tests once per digest`,
  );
  const stop = new AbortController();
  const names = namesOf(prepared);
  const background = Promise.all([
    pace.run(stop.signal),
    watchFleet({ server, devices: started.all, pace, names, view }, stop.signal),
  ]);
  closers.push(async () => {
    stop.abort();
    await background;
  });
  const rows = await playScenes(
    { server, devices: started.all, view, signal },
    { prepared, publisher },
  );
  view.say(`${runtime.selfTests} digests were self-tested, each in a process of its own`);
  return await resultOf({ server, started, prepared, rows });
}

const namesOf = ({ releases }: Prepared) =>
  new Map(
    [releases.packedV1, releases.packedV2, ...[...releases.bad.values()].map((b) => b.packed)].map(
      (bundle) => [bundle.digest, nameOf(bundle)] as const,
    ),
  );

/** Everything but `unsigned` is signed and published before the devices start, as releases are. */
async function publishFirst(
  server: DemoServer,
  { releases }: Prepared,
  closers: (() => Promise<void>)[],
): Promise<Publisher> {
  const fetcher = new HttpFetcher({ origin: server.audience });
  closers.push(async () => fetcher.close());
  const publisher = new Publisher({
    ...{ fetcher, token: server.adminToken, fleet: server.fleet, online: server.online },
    targetsKey: server.offline.targets,
  });
  const bad = [...releases.bad].filter(([kind]) => kind !== 'unsigned');
  await publisher.publish(
    [
      { bundle: releases.packedV1 },
      { bundle: releases.packedV2, federable: [...filetypeTrainable] },
      ...bad.map(([, { packed }]) => ({ bundle: packed })),
    ],
    clock.nowMs(),
  );
  return publisher;
}

const waves = [1, 10, 50, 100] as const;

/** In the order of the result's rows. */
async function playScenes(
  play: Play,
  { prepared, publisher }: { readonly prepared: Prepared; readonly publisher: Publisher },
): Promise<readonly ResultRow[]> {
  const { packedV1, packedV2, bad } = prepared.releases;
  const rows: ResultRow[] = [];
  const done = (row: ResultRow): void => {
    rows.push(row);
    play.view.row(row);
  };
  done(
    await playRollout(play, {
      bundle: packedV1,
      kind: 'good',
      percents: [100],
      previous: undefined,
    }),
  );
  const isEnded = (): boolean => play.signal.aborted;
  if (isEnded()) return rows;
  const previous = packedV1.digest;
  done(await playRollout(play, { bundle: packedV2, kind: 'good', percents: waves, previous }));
  for (const [kind, { packed: bundle }] of bad) {
    if (isEnded()) return rows;
    // Its graph would take the shared host down: it belongs to devices with a process of their own.
    if (kind === 'crash') continue;
    if (kind === 'unsigned') {
      done(await playUnsigned(play, { bundle, publisher }));
      continue;
    }
    if (kind === 'tampered') await tamperWithBlob(play.server, bundle);
    const scene = { bundle, kind, percents: waves, previous: packedV2.digest };
    done(await playRollout(play, scene));
  }
  return rows;
}

async function resultOf(played: {
  readonly server: DemoServer;
  readonly started: DemoDevices;
  readonly prepared: Prepared;
  readonly rows: readonly ResultRow[];
}): Promise<DemoResult> {
  const { server, started, prepared, rows } = played;
  const audit = await verifyAudit(server.store, []);
  return {
    devices: started.all.length,
    daemons: 0,
    inferences: started.all.reduce((sum, device) => sum + device.inferences, 0),
    accuracy: new Map(Object.entries(prepared.accuracy)),
    rows,
    auditOk: audit.ok,
    confidence: prepared.confidence,
  };
}
