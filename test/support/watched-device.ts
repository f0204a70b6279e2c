import { readJournal } from '../../agent/core/journal/read-journal.ts';
import { parseUpdateRecord } from '../../agent/core/update/parse-update-record.ts';
import type { DurableUpdateEvent } from '../../agent/core/update/update-event.ts';
import { DeviceAgent } from '../../agent/runner/device-agent.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { HttpFetcher } from '../../shared/adapters/http/http-fetcher.ts';
import { MqttTransport } from '../../shared/adapters/mqtt/mqtt-transport.ts';
import { cryptoRandom as random } from '../../shared/adapters/random/crypto-random.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import type { BootId, DeviceId, Digest } from '../../shared/core/ids.ts';
import type { Tensor } from '../../shared/ports/inference-runtime.ts';
import { createMemoryRuntime } from '../../shared/runtime/memory/memory-runtime.ts';
import { CountingMetrics } from '../../sim/world/counting-metrics.ts';
import { MemoryDisk } from '../../sim/world/memory-disk.ts';
import { seededSigner } from '../../sim/world/seeded-keys.ts';
import { type DeviceWorld, doubler, worldClaim, worldFleet } from './device-world.ts';
import { silentLog } from './silent-ports.ts';

const doubled = (x: Tensor | undefined): Tensor => {
  const values = new Float32Array(x?.bytes.slice().buffer ?? new ArrayBuffer(0));
  const bytes = new Uint8Array(values.map((value) => 2 * value).buffer);
  return { type: 'float32', shape: [values.length], bytes };
};

/** A real agent over real sockets, with its files in memory; it answers all the time. */
export class WatchedDevice {
  readonly id: DeviceId;
  readonly metrics = new CountingMetrics();
  readonly #disk = new MemoryDisk();
  readonly #stop = new AbortController();
  #agent: DeviceAgent | undefined;
  #life: Promise<unknown> = Promise.resolve();

  constructor(id: string) {
    this.id = id as DeviceId;
  }

  get address() {
    return { fleet: worldFleet, device: this.id };
  }

  async start(world: DeviceWorld, brokerUrl: string): Promise<void> {
    const fetcher = new HttpFetcher({ origin: world.origin });
    const runtime = createMemoryRuntime({
      ...{ clock, providers: ['cpu'] },
      modelOf: async () => ({
        ...{ inputs: [{ name: 'x', type: 'float32', shape: ['n'] }], outputs: ['y'] },
        residentBytes: 1_000,
        answer: (inputs) => ({
          ...{ kind: 'outputs', outputs: new Map([['y', doubled(inputs.get('x'))]]), runMs: 0 },
        }),
      }),
    });
    this.#agent = await DeviceAgent.open(
      {
        ...{ clock, fetcher, runtime, disk: this.#disk, log: silentLog, metrics: this.metrics },
        // The pauses before another try are a hundredth: what is tested is what happens, not how patiently.
        random: { ...random, bytes: (count) => random.bytes(count), unit: () => 0.01 },
        transport: new MqttTransport({ url: brokerUrl }),
      },
      {
        address: this.address,
        deviceKey: seededSigner(this.id),
        boot: hexOf(random.bytes(16)) as BootId,
        ...{ audience: world.origin, claim: worldClaim, pinnedRoot: world.firstRoot },
        ...{ agentVersion: '0.1.0', builtAtMs: Date.UTC(2025, 0, 1), zone: undefined },
        facts: { providers: 'cpu', 'own.name': this.id },
        ...{ windowMs: 100, memoryBytesMax: 2 ** 30, monthlyBytesMax: undefined, threads: 1 },
        askToBeKilled: () => undefined,
      },
    );
    this.#life = Promise.all([this.#agent.run(this.#stop.signal), this.#answer(this.#agent)]);
  }

  /** What answers now, where it was committed. */
  get active(): Digest | undefined {
    const app = this.#agent?.state.apps.get(doubler);
    return app?.attempt === undefined ? app?.running?.slot.digest : undefined;
  }

  get generation(): number {
    return this.#agent?.state.seen.generation ?? 0;
  }

  refused(code: string): number {
    return this.metrics.value('skein_frames_refused_total', { code });
  }

  /** The update journal as the next boot would read it. */
  async journal(): Promise<readonly DurableUpdateEvent[]> {
    const bytesMax = limits.updateJournalBytesMax;
    const bytes = await this.#disk.read('state/update.journal', { bytesMax });
    return readJournal(bytes ?? new Uint8Array()).values.flatMap(
      (value) => parseUpdateRecord(value) ?? [],
    );
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#life;
  }

  async #answer(agent: DeviceAgent): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await clock.sleepUntil(clock.monotonicMs() + 20, signal);
      const bytes = new Uint8Array(Float32Array.of(1).buffer);
      const tensors = new Map([['x', { type: 'float32' as const, shape: [1], bytes }]]);
      await agent.infer(doubler, { kind: 'tensors', tensors }).catch(() => undefined);
    }
  }
}
