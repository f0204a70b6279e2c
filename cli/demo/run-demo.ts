import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Accuracy } from '../../firmware-bundles/evaluate/classifier-answers.ts';
import { filetypeTrainable } from '../../firmware-bundles/zoo/filetype/graph.ts';
import { verifyAudit } from '../../fleet-server/runner/verify-audit.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { HttpFetcher } from '../../shared/adapters/http/http-fetcher.ts';
import { playUnsigned, tamperWithBlob } from './attack.ts';
import type { DemoResult } from './demo-result.ts';
import { type DemoServer, startDemoServer } from './demo-server.ts';
import { DemoFleet, daemonFilter } from './fleet/demo-fleet.ts';
import { watchFleet } from './fleet/watch-fleet.ts';
import type { LiveView } from './live-view.ts';
import { MemoryLog } from './memory-log.ts';
import { type FederatedResult, playFederated } from './play-federated.ts';
import { nameOf, playRollout } from './play-rollout.ts';
import type { Prepared } from './prepare.ts';
import { prepareInThread } from './prepare-thread.ts';
import { findNodeModules } from './project-folder.ts';
import { Publisher } from './publisher.ts';
import type { ResultRow } from './result-row.ts';
import type { Play } from './rollout-scene.ts';

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
  view.say('reading the installed packages; fitting and packing the releases meanwhile');
  const preparing = prepareInThread({ nodeModules, devices, nowMs: clock.nowMs() });
  const log = new MemoryLog();
  await mkdir(join(folder, 'server'));
  const server = await startDemoServer(join(folder, 'server'), { devices, log });
  closers.push(() => server.close());
  view.say(`server at ${server.audience}, broker at ${server.brokerUrl}`);
  const deal = await preparing.deal;
  signal.throwIfAborted();
  const publisher = openPublisher(server, closers);
  await publisher.publish([], clock.nowMs());
  const fleet = await DemoFleet.start(
    { ...{ server, nodeModules, signal, deal, daemons }, folder: join(folder, 'devices') },
    (opened) => closers.push(() => opened.close()),
  );
  view.say(
    `${devices - daemons} devices in this process share one inference host; it self-tests once per digest`,
  );
  view.say(`${daemons} devices are daemons with everything of their own`);
  const prepared = await preparing.prepared;
  signal.throwIfAborted();
  await publishReleases(publisher, prepared);
  const stop = new AbortController();
  const names = namesOf(prepared);
  const background = Promise.all([watchFleet({ server, fleet, names, view }, stop.signal)]);
  closers.push(async () => {
    stop.abort();
    await background;
  });
  const played = await playScenes(
    { server, devices: fleet.devices, view, signal, names },
    { prepared, publisher },
  );
  view.say(`${fleet.selfTests} digests were self-tested, each in a process of its own`);
  return await resultOf({ server, fleet, prepared, played });
}

const namesOf = ({ releases }: Prepared) =>
  new Map(
    [releases.packedV1, releases.packedV2, ...[...releases.bad.values()].map((b) => b.packed)].map(
      (bundle) => [bundle.digest, nameOf(bundle)] as const,
    ),
  );

function openPublisher(server: DemoServer, closers: (() => Promise<void>)[]): Publisher {
  const fetcher = new HttpFetcher({ origin: server.audience });
  closers.push(async () => fetcher.close());
  const { adminToken: token, fleet, online, offline } = server;
  return new Publisher({ ...{ fetcher, token, fleet, online }, targetsKey: offline.targets });
}

/** Everything but `unsigned` is signed and published before the first rollout, as releases are. */
async function publishReleases(publisher: Publisher, { releases }: Prepared): Promise<void> {
  const bad = [...releases.bad].filter(([kind]) => kind !== 'unsigned');
  const entries = [
    { bundle: releases.packedV1 },
    { bundle: releases.packedV2, federable: [...filetypeTrainable] },
    ...bad.map(([, { packed }]) => ({ bundle: packed })),
  ];
  await publisher.publish(entries, clock.nowMs());
}

const waves = [1, 10, 50, 100] as const;
/** One canary: what the devices learned themselves differs little from what they run. */
const candidateWaves = [10, 100] as const;
const daemons = 10;
/** Of the fleet, how many updates a round waits for; more are invited. */
const roundShare = 0.3;
/** Ten devices, two of them held back: the first wave has the two that a verdict needs. */
const daemonCohort = { percents: [25, 50, 100], target: daemonFilter, holdback: { count: 2 } };

/** In the order of the result's rows. */
async function playScenes(
  play: Play,
  { prepared, publisher }: { readonly prepared: Prepared; readonly publisher: Publisher },
): Promise<Played> {
  const { packedV1, packedV2, bad } = prepared.releases;
  const rows: ResultRow[] = [];
  const done = (row: ResultRow): void => {
    rows.push(row);
    play.view.row(row);
  };
  const isEnded = (): boolean => play.signal.aborted;
  const first = { bundle: packedV1, kind: 'good', percents: [100], previous: undefined } as const;
  done(await playRollout(play, first));
  if (isEnded()) return { rows };
  const previous = packedV1.digest;
  done(await playRollout(play, { bundle: packedV2, kind: 'good', percents: waves, previous }));
  for (const [kind, { packed: bundle }] of bad) {
    if (isEnded()) return { rows };
    if (kind === 'unsigned') {
      done(await playUnsigned(play, { bundle, publisher }));
      continue;
    }
    if (kind === 'tampered') await tamperWithBlob(play.server, bundle);
    const scene = { bundle, kind, percents: waves, previous: packedV2.digest };
    // Its graph would take the shared host down: it belongs to devices with a process of their own.
    done(await playRollout(play, kind === 'crash' ? { ...scene, ...daemonCohort } : scene));
  }
  if (isEnded()) return { rows };
  const goalDevices = Math.floor(play.devices.length * roundShare);
  const learned = await playFederated(play, {
    base: packedV2,
    prepared,
    percents: candidateWaves,
    goalDevices,
  });
  done(learned.row);
  return { rows, ...learned };
}

interface Played {
  readonly rows: readonly ResultRow[];
  readonly result?: FederatedResult;
  readonly accuracy?: Accuracy;
}

async function resultOf(played: {
  readonly server: DemoServer;
  readonly fleet: DemoFleet;
  readonly prepared: Prepared;
  readonly played: Played;
}): Promise<DemoResult> {
  const { server, fleet, prepared } = played;
  const { rows, result: federated, accuracy: v3 } = played.played;
  const audit = await verifyAudit(server.store, []);
  return {
    devices: fleet.devices.length,
    daemons: fleet.daemons.length,
    inferences: fleet.inferences,
    accuracy: new Map(
      Object.entries({ ...prepared.accuracy, ...(v3 === undefined ? {} : { v3 }) }),
    ),
    rows,
    federated,
    // A chain that no device has seen proves nothing but that it fits together.
    auditOk: audit.ok && audit.value.devices > 0,
    confidence: prepared.confidence,
  };
}
