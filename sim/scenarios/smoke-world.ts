import { DeviceAgent } from '../../agent/runner/device-agent.ts';
import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import type { RolloutState } from '../../fleet-server/core/rollout/rollout-state.ts';
import { FleetServer } from '../../fleet-server/runner/fleet-server.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { BootId, DeviceId, FleetId, RolloutId, TargetPath } from '../../shared/core/ids.ts';
import { createPrng } from '../../shared/core/prng.ts';
import { createMemoryRuntime } from '../../shared/runtime/memory/memory-runtime.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import { CountingMetrics } from '../world/counting-metrics.ts';
import { MemoryDisk } from '../world/memory-disk.ts';
import { PinnedZones } from '../world/pinned-zones.ts';
import { RecordingLog } from '../world/recording-log.ts';
import { seededSigner } from '../world/seeded-keys.ts';
import { SimBroker } from '../world/sim-broker.ts';
import { SimClock, WorldTime } from '../world/sim-clock.ts';
import { SimFetcher } from '../world/sim-fetcher.ts';
import { SimRandom } from '../world/sim-random.ts';
import { SimSessionTokens } from '../world/sim-session-tokens.ts';
import { TimeLoop } from '../world/time-loop.ts';
import {
  type SmokeBehaviour,
  smokeApp,
  smokeBundle,
  smokeInput,
  smokeModel,
} from './smoke-bundles.ts';
import { smokeOrigin, smokeRepository } from './smoke-origin.ts';

const fleet = 'smoke' as FleetId;
const claim = 'a-claim-for-the-smoke-world';
const secondMs = 1_000;
const person = { kind: 'person', name: 'operator' } as const;

export interface SmokeResult {
  /** Hash over everything the server has written and every device holds. */
  readonly traceHash: string;
  readonly rollouts: readonly RolloutState[];
  /** Version that answers, by device. */
  readonly running: ReadonlyMap<DeviceId, string>;
  /** Windows the server counted, and those the devices know to be durable. */
  readonly windows: { readonly counted: number; readonly acknowledged: number };
  readonly auditRows: number;
}

/**
 * The whole journey on twins alone: server and agents, cores and runners, unchanged. v1 goes to everybody by wave; v2
 * passes its golden vectors, sours on live input, is reverted by the devices themselves and aborted by the server.
 */
export async function runSmokeWorld(seed: string, devices = 6): Promise<SmokeResult> {
  const time = new WorldTime();
  const loop = new TimeLoop(time);
  const stops: AbortController[] = [];
  const untilStopped = (): AbortSignal => {
    const stop = new AbortController();
    stops.push(stop);
    return stop.signal;
  };
  const random = new SimRandom(seed);
  const behaviours: SmokeBehaviour[] = [
    { version: '1.0.0' },
    { version: '2.0.0', sourAfterRuns: 4 },
  ];
  const bundles = behaviours.map(smokeBundle);
  const { keys, root, files } = smokeRepository(bundles, seed);
  const clock = new SimClock(time, 'server');
  const { store } = openMemoryStore();
  const metrics = new CountingMetrics();
  const broker = new SimBroker({ clock, prng: createPrng(`${seed}/broker`) });
  const tokens = new SimSessionTokens({ clock, random: random.fork('tokens') });
  const serverRandom = random.fork('server');
  const server = new FleetServer(
    {
      store,
      broker,
      clock,
      random: serverRandom,
      zones: new PinnedZones(),
      keys,
      tokens,
      log: new RecordingLog(),
      metrics,
    },
    {
      boot: hexOf(serverRandom.bytes(16)) as BootId,
      audience: 'https://smoke',
      brokerUrl: 'mqtt://smoke',
      cellKey: serverRandom.bytes(32),
      directorVersion: 1,
      orderLifeMs: 3_600 * secondMs,
      jitterMs: 0,
      revoked: () => new Set(),
    },
  );
  await loop.runUntil(
    store.transaction(async (tx) => {
      await tx.fleets.insert({ fleet, title: 'Smoke', createdAtMs: clock.nowMs() });
      await tx.claims.insert({
        fleet,
        claimHash: sha256Hex(utf8(claim)),
        idPattern: 'edge-*',
        usesLeft: devices,
        expiresAtMs: clock.nowMs() + 3_600 * secondMs,
        preAuthorized: true,
        tags: {},
        createdAtMs: clock.nowMs(),
        createdBy: 'operator',
      });
    }),
  );
  const serving = loop.track('server', server.run(untilStopped()));
  const origin = smokeOrigin(server, files);

  const agents = new Map<
    DeviceId,
    { readonly agent: DeviceAgent; readonly disk: MemoryDisk; readonly life: Promise<void> }
  >();
  for (let i = 0; i < devices; i += 1) {
    const device = `edge-${i}` as DeviceId;
    const deviceClock = new SimClock(time, device);
    const disk = new MemoryDisk();
    const fork = random.fork(device);
    const modelOf = async ({
      kind,
      ...source
    }: {
      readonly kind: string;
      readonly graphPath?: string;
    }) => {
      const hex = kind === 'slot' ? source.graphPath?.split('/').at(-2) : undefined;
      const at = bundles.findIndex(({ digest }) => digest === `sha256:${hex ?? ''}`);
      const behaviour = behaviours[at];
      return behaviour === undefined ? undefined : smokeModel(behaviour);
    };
    const agent = await loop.runUntil(
      DeviceAgent.open(
        {
          clock: deviceClock,
          random: fork,
          disk,
          fetcher: new SimFetcher(origin, deviceClock),
          transport: broker.transport(device),
          runtime: createMemoryRuntime({ clock: deviceClock, providers: ['cpu'], modelOf }),
          log: new RecordingLog(),
        },
        {
          address: { fleet, device },
          deviceKey: seededSigner(`${seed}/${device}`),
          boot: hexOf(fork.bytes(16)) as BootId,
          audience: 'https://smoke',
          claim,
          pinnedRoot: root,
          agentVersion: '0.1.0',
          builtAtMs: Date.UTC(2025, 0, 1),
          facts: { providers: 'cpu', 'cpu.arch': 'virtual' },
          zone: undefined,
          windowMs: secondMs,
          memoryBytesMax: 1_000_000,
          monthlyBytesMax: undefined,
          threads: 1,
          askToBeKilled: () => undefined,
        },
      ),
    );
    const signal = untilStopped();
    const life = Promise.all([agent.run(signal), inferFor(agent, deviceClock, signal)]);
    agents.set(device, {
      agent,
      disk,
      life: loop.track(
        device,
        life.then(() => undefined),
      ),
    });
  }
  await loop.runFor(10 * secondMs);

  const ids: RolloutId[] = [];
  for (const bundle of bundles) {
    ids.push(await loop.runUntil(startRollout(server, bundle)));
    await loop.runFor(120 * secondMs);
  }
  for (const stop of stops) stop.abort();
  await loop.runUntil(Promise.all([serving, ...[...agents.values()].map(({ life }) => life)]));

  const written = await loop.runUntil(
    store.read(async (view) => ({
      rollouts: await Promise.all(ids.map((id) => view.rollouts.get(fleet, id))),
      audit: await view.audit.listAll({ limit: 500 }),
      events: await view.events.list(fleet, { limit: 500 }),
    })),
  );
  const running = new Map<DeviceId, string>();
  const journals: string[] = [];
  for (const [device, { agent, disk }] of agents) {
    const digest = agent.state.apps.get(smokeApp)?.held[0]?.digest;
    const at = bundles.findIndex((bundle) => bundle.digest === digest);
    running.set(device, behaviours[at]?.version ?? 'none');
    for (const name of ['update', 'outbox']) {
      const bytes = await disk.read(`state/${name}.journal`, { bytesMax: 1 << 24 });
      journals.push(sha256Hex(bytes ?? new Uint8Array()));
    }
  }
  const trace = canonicalJson({ ...written, journals } as never);
  return {
    traceHash: sha256Hex(utf8(trace)),
    rollouts: written.rollouts.map((row) => row?.reducerState as unknown as RolloutState),
    running,
    windows: { counted: metrics.value('skein_windows_total'), acknowledged: 0 },
    auditRows: written.audit.length,
  };
}

async function startRollout(server: FleetServer, bundle: PackedBundle): Promise<RolloutId> {
  const path = `bundles/${bundle.config.name}@${bundle.config.version}` as TargetPath;
  const created = await server.rollouts.create(fleet, {
    author: person.name,
    request: {
      app: smokeApp,
      path,
      digest: bundle.digest,
      target: 'state = accepted',
      waves: [{ percent: 50 }, { percent: 100 }],
      soakMs: 5 * secondMs,
      deadlineMs: 60 * secondMs,
      reachMs: 60 * secondMs,
    },
  });
  if (!created.ok) throw new Error(created.error.message);
  const { rollout } = created.value;
  const order = await server.rollouts.nextOrder(fleet);
  const event = { type: 'submitted', by: person, order } as const;
  const submitted = await server.rollouts.order({ fleet, rollout }, { event, version: undefined });
  if (!submitted.ok) throw new Error(submitted.error.code);
  server.wake();
  return rollout;
}

/** Ten inputs a second, for as long as the device lives. */
async function inferFor(agent: DeviceAgent, clock: SimClock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleepUntil(clock.monotonicMs() + 100, signal);
    const tensors = new Map([['x', { ...smokeInput, bytes: smokeInput.bytes.slice() }]]);
    await agent.infer(smokeApp, { kind: 'tensors', tensors }).catch(() => undefined);
  }
}
