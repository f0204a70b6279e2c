import { DeviceAgent } from '../../agent/runner/device-agent.ts';
import type { TimedAnswer } from '../../agent/runner/model-host.ts';
import { base64Of, hexOf } from '../../shared/core/bytes.ts';
import type { BootId, DeviceId } from '../../shared/core/ids.ts';
import {
  createMemoryRuntime,
  memoryRuntimeVersion,
} from '../../shared/runtime/memory/memory-runtime.ts';
import {
  type SmokeBehaviour,
  smokeApp,
  smokeInput,
  smokeModel,
} from '../../sim/scenarios/smoke-bundles.ts';
import { SmokeFleet, smokeFleet } from '../../sim/scenarios/smoke-fleet.ts';
import { smokeOrigin } from '../../sim/scenarios/smoke-origin.ts';
import { startRollout } from '../../sim/scenarios/smoke-world.ts';
import { CountingMetrics } from '../../sim/world/counting-metrics.ts';
import { type MemoryDisk, PowerCut } from '../../sim/world/memory-disk.ts';
import { RecordingLog } from '../../sim/world/recording-log.ts';
import { seededSigner } from '../../sim/world/seeded-keys.ts';
import { SimClock, soundClock } from '../../sim/world/sim-clock.ts';
import { SimFetcher } from '../../sim/world/sim-fetcher.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';

const id = 'edge-0' as DeviceId;
const secondMs = 1_000;
const hourMs = 3_600_000;

/** One row of the smoke model's output, as `calm` as nothing is. */
export const calmRow = {
  ...{ name: 'y', type: 'float32' as const, shape: [2] },
  base64: base64Of(new Uint8Array(Float32Array.of(1, 0).buffer)),
};

/**
 * A device that has committed its bundles in a smoke world, and then lives on without a stream of inputs: days pass in
 * moments. The server's own loops have ended; it still answers logins and serves metadata.
 */
export class QuietDevice {
  /** What of the origin does not answer: everything, metadata alone, or nothing. */
  cut: 'all' | 'metadata' | 'none' = 'all';
  /** Its models take their hosts down. */
  crashes = false;
  readonly world: SmokeFleet;
  readonly disk: MemoryDisk;
  readonly log = new RecordingLog();
  readonly metrics = new CountingMetrics();
  readonly #seed: string;
  #agent: DeviceAgent | undefined;
  #stop = new AbortController();
  #life: Promise<void> = Promise.resolve();

  private constructor(world: SmokeFleet, seed: string) {
    const device = world.devices.get(id);
    if (device === undefined) throw new Error('the world has a device');
    this.world = world;
    this.disk = device.disk;
    this.#seed = seed;
  }

  /** Every bundle has been rolled out to the device, in turn. */
  static async open(seed: string, behaviours: readonly SmokeBehaviour[]): Promise<QuietDevice> {
    const world = new SmokeFleet(seed, behaviours);
    await world.open(1);
    await world.loop.runFor(5 * secondMs);
    for (const bundle of world.bundles) {
      const policy = {
        holdback: { count: 0 as const },
        waves: [{ percent: 100 }],
        supersede: true,
      };
      await world.loop.runUntil(startRollout(world, bundle, policy));
      await world.loop.runFor(15 * secondMs);
    }
    await world.stop();
    return new QuietDevice(world, seed);
  }

  get agent(): DeviceAgent {
    if (this.#agent === undefined) throw new Error('the device has not booted');
    return this.#agent;
  }

  /** The version whose model answers. */
  get version(): string {
    const digest = this.agent.state.apps.get(smokeApp)?.running?.slot.digest;
    return this.world.bundles.find((one) => one.digest === digest)?.config.version ?? 'none';
  }

  get rest() {
    return this.agent.decisions().find(({ app }) => app === smokeApp)?.rest;
  }

  async boot(skewMs = 0): Promise<void> {
    const { world, disk, log, metrics } = this;
    const { time, loop, repository, server, broker } = world;
    const clock = new SimClock(time, id, { ...soundClock, skewMs });
    const random = new SimRandom(`${this.#seed}/${time.nowMs}`);
    const answer = smokeOrigin(server, repository.files);
    const stop = new AbortController();
    this.#stop = stop;
    const opening = DeviceAgent.open(
      {
        ...{ clock, random, disk, log, metrics, transport: broker.transport(id) },
        fetcher: new SimFetcher(async (request) => {
          const isCut =
            this.cut === 'all' || (this.cut === 'metadata' && request.path.startsWith('/tuf/'));
          if (!isCut) return answer(request);
          return { status: 503, headers: new Map(), body: new Uint8Array() };
        }, clock),
        runtime: createMemoryRuntime({
          ...{ clock, providers: ['cpu'] },
          modelOf: async () => {
            const model = smokeModel({ version: 'any' });
            const crash = { kind: 'crashes' } as const;
            return {
              ...model,
              answer: (inputs, run) => (this.crashes ? crash : model.answer(inputs, run)),
            };
          },
        }),
      },
      {
        address: { fleet: smokeFleet, device: id },
        deviceKey: seededSigner(`${this.#seed}/${id}`),
        boot: hexOf(random.bytes(16)) as BootId,
        ...{ audience: 'https://smoke', claim: undefined, pinnedRoot: repository.root },
        ...{ agentVersion: '0.1.0', builtAtMs: Date.UTC(2025, 0, 1), zone: undefined },
        facts: { providers: 'cpu', 'runtime.version': memoryRuntimeVersion },
        ...{ windowMs: hourMs, threads: 1, memoryBytesMax: 1_000_000, monthlyBytesMax: undefined },
        askToBeKilled: () => undefined,
      },
    );
    this.#agent = await loop.runUntil(opening);
    this.#life = loop.track(id, this.#agent.run(stop.signal).catch(onlyPowerCut));
    await loop.runFor(secondMs);
  }

  /** Hours of the world. */
  async live(hours: number): Promise<void> {
    await this.world.loop.runFor(hours * hourMs);
  }

  /** The power goes, and what was not synced with it. */
  async losePower(): Promise<void> {
    this.world.broker.vanish(id);
    // Nothing more reaches the disk: the orderly end below is only for the test's own process.
    const kept = this.disk.steps;
    this.disk.faults.powerCutAtStep = kept + 1;
    this.#stop.abort();
    await this.world.loop.runUntil(this.#life);
    this.disk.powerCut();
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.world.loop.runUntil(this.#life);
  }

  infer(rows = 1): Promise<TimedAnswer> {
    return this.world.loop.runUntil(this.ask(rows));
  }

  /** The world stands still until somebody runs it. */
  ask(rows = 1): Promise<TimedAnswer> {
    const bytes = new Uint8Array(smokeInput.bytes.length * rows);
    const tensors = new Map([['x', { ...smokeInput, shape: [rows, 2], bytes }]]);
    return this.agent.infer(smokeApp, { kind: 'tensors', tensors });
  }
}

function onlyPowerCut(error: unknown): void {
  if (!(error instanceof PowerCut)) throw error;
}
