import type { InputOutcome } from '../../agent/core/inputs/answer-text.ts';
import { DeviceAgent } from '../../agent/runner/device-agent.ts';
import { InputPump } from '../../agent/runner/input-pump.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import type { BootId, DeviceId, FleetId } from '../../shared/core/ids.ts';
import type { ModelSource, Tensor } from '../../shared/ports/inference-runtime.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import type { MemoryModel } from '../../shared/runtime/memory/memory-model.ts';
import {
  createMemoryRuntime,
  memoryRuntimeVersion,
} from '../../shared/runtime/memory/memory-runtime.ts';
import { CountingMetrics } from '../world/counting-metrics.ts';
import { MemoryDisk, PowerCut } from '../world/memory-disk.ts';
import { MemoryInputSource } from '../world/memory-input-source.ts';
import { RecordingLog } from '../world/recording-log.ts';
import type { SimBroker } from '../world/sim-broker.ts';
import { type ClockFaults, SimClock, type WorldTime } from '../world/sim-clock.ts';
import { type OriginHandler, SimFetcher } from '../world/sim-fetcher.ts';
import type { SimRandom } from '../world/sim-random.ts';
import type { TimeLoop } from '../world/time-loop.ts';
import { smokeApp, smokeInput } from './smoke-bundles.ts';

export interface SmokeDeviceOptions {
  readonly id: DeviceId;
  readonly fleet: FleetId;
  readonly time: WorldTime;
  readonly loop: TimeLoop;
  readonly broker: SimBroker;
  readonly origin: OriginHandler;
  readonly random: SimRandom;
  readonly deviceKey: Signer;
  readonly pinnedRoot: Uint8Array;
  readonly claim: string;
  readonly audience: string;
  readonly clock: ClockFaults;
  /** How often it meets an input and seals a window; ten inputs a second and a window each second when absent. */
  readonly rhythm?: SmokeRhythm;
  readonly modelOf: (source: ModelSource, disk: MemoryDisk) => Promise<MemoryModel | undefined>;
  /** What it meets, in turn; the smoke input without a label when absent. */
  readonly inputs?: readonly SmokeInput[];
}

export interface SmokeRhythm {
  readonly inputGapMs: number;
  readonly windowMs: number;
}

const busy: SmokeRhythm = { inputGapMs: 100, windowMs: 1_000 };

export interface SmokeInput {
  readonly tensor: Tensor;
  readonly label?: string;
}

/** One device over its boots: the disk stays, everything else is new each time. */
export class SmokeDevice {
  readonly disk = new MemoryDisk();
  /** Over all boots. */
  readonly log = new RecordingLog();
  readonly metrics = new CountingMetrics();
  inputsPushed = 0;
  /** How the inputs ended: `ok`, or the code. */
  readonly outcomes = new Map<string, number>();
  /** World time at which its newest boot was over; `null` while it has no power. */
  upSinceMs: number | null = null;
  /** Of the newest boot; absent when the power went before it was up. */
  agent: DeviceAgent | undefined;
  readonly #options: SmokeDeviceOptions;
  #stop = new AbortController();
  #life: Promise<void> = Promise.resolve();

  constructor(options: SmokeDeviceOptions) {
    this.#options = options;
  }

  async boot(): Promise<void> {
    const { id, fleet, time, loop, broker, origin, random, modelOf } = this.#options;
    const { deviceKey, pinnedRoot, claim, audience } = this.#options;
    const clock = new SimClock(time, id, this.#options.clock);
    const stop = new AbortController();
    this.#stop = stop;
    this.agent = undefined;
    const opening = DeviceAgent.open(
      {
        ...{ clock, random, disk: this.disk, log: this.log, metrics: this.metrics },
        fetcher: new SimFetcher(origin, clock),
        transport: broker.transport(id),
        runtime: createMemoryRuntime({
          ...{ clock, providers: ['cpu'] },
          modelOf: (source) => modelOf(source, this.disk),
        }),
      },
      {
        ...{ deviceKey, pinnedRoot, claim, audience, threads: 1 },
        windowMs: this.#rhythm.windowMs,
        ...{ address: { fleet, device: id }, agentVersion: '0.1.0', zone: undefined },
        boot: hexOf(random.bytes(16)) as BootId,
        builtAtMs: Date.UTC(2025, 0, 1),
        facts: {
          ...{ providers: 'cpu', 'cpu.arch': 'virtual' },
          'runtime.version': memoryRuntimeVersion,
        },
        memoryBytesMax: 1_000_000,
        monthlyBytesMax: undefined,
        askToBeKilled: () => undefined,
      },
    );
    const living = opening.then(async (agent) => {
      this.agent = agent;
      const { signal } = stop;
      const source = new MemoryInputSource({ name: id, told: (outcome) => this.#count(outcome) });
      const pump = new InputPump({
        log: this.log,
        infer: (app, input, label) => agent.infer(app, input, label),
      });
      await Promise.all([
        agent.run(signal),
        pump.run(source, signal),
        this.#push(source, { clock, signal }),
      ]);
    });
    this.#life = loop.track(id, living.catch(onlyPowerCut));
    await loop.runUntil(opening.then(() => undefined, onlyPowerCut));
    this.upSinceMs = time.nowMs;
  }

  get #rhythm(): SmokeRhythm {
    return this.#options.rhythm ?? busy;
  }

  /** One input after the other, in turn. */
  async #push(
    source: MemoryInputSource,
    { clock, signal }: { readonly clock: SimClock; readonly signal: AbortSignal },
  ): Promise<void> {
    const { inputs = [{ tensor: smokeInput }] } = this.#options;
    for (let turn = 0; ; turn += 1) {
      await clock.sleepUntil(clock.monotonicMs() + this.#rhythm.inputGapMs, signal);
      if (signal.aborted) return;
      const { tensor, label } = inputs[turn % inputs.length] ?? { tensor: smokeInput };
      const tensors = new Map([['x', { ...tensor, bytes: tensor.bytes.slice() }]]);
      const input = { kind: 'tensors', tensors } as const;
      source.push({ app: smokeApp, input, ...(label === undefined ? {} : { label }) });
      this.inputsPushed += 1;
    }
  }

  #count(outcome: InputOutcome): void {
    const end = outcome.ok ? 'ok' : outcome.code;
    this.outcomes.set(end, (this.outcomes.get(end) ?? 0) + 1);
  }

  /** An orderly end: what is under way finishes. */
  async end(): Promise<void> {
    this.upSinceMs = null;
    this.#stop.abort();
    await this.#options.loop.runUntil(this.#life);
  }

  /** The power went inside a call; nobody hears of it, and what was not synced is gone. */
  async losePower(): Promise<void> {
    this.#options.broker.vanish(this.#options.id);
    await this.end();
    this.disk.powerCut();
  }

  /** The power goes in one of its next writes; after half a minute without so many, in the very next one. */
  async losePowerInWrite(writesLater: number): Promise<void> {
    const { disk } = this;
    disk.faults.powerCutAtStep = disk.steps + writesLater;
    for (let second = 0; second < 30 && !disk.isOff; second += 1) {
      await this.#options.loop.runFor(1_000);
    }
    if (!disk.isOff) disk.faults.powerCutAtStep = disk.steps + 1;
    await this.losePower();
  }
}

function onlyPowerCut(error: unknown): void {
  if (!(error instanceof PowerCut)) throw error;
}
