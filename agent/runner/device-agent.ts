import type { OnnxAllowance } from '../../shared/codec/onnx-allowance.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Facts } from '../../shared/contracts/reported.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import type { AppName, BootId } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import type { Fetcher } from '../../shared/ports/fetcher.ts';
import type { InferenceRuntime } from '../../shared/ports/inference-runtime.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import type { Transport } from '../../shared/ports/transport.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import type { InferenceInput } from '../core/inference/prepare-input.ts';
import type { DeviceIdentity } from '../core/update/accept-desired.ts';
import type { AppDecision } from '../core/update/decide-steps.ts';
import type { AppState, UpdateState } from '../core/update/update-state.ts';
import { AgentMemory } from './agent-memory.ts';
import { ByteBudget } from './byte-budget.ts';
import { ContentStore } from './content-store.ts';
import { DeviceSession } from './device-session.ts';
import { DeviceUplink, type OpenUplink } from './device-uplink.ts';
import { CandidateGate } from './federation/candidate-gate.ts';
import { Participant } from './federation/participant.ts';
import { TrainingStore } from './federation/training-store.ts';
import { FrameRefusals } from './frame-refusals.ts';
import { FreshnessWatch } from './freshness-watch.ts';
import { type Blame, InferenceDesk } from './inference-desk.ts';
import { Installer } from './installer.ts';
import { liftRefusals } from './lift-refusals.ts';
import { type HostedModel, ModelHost, type TimedAnswer } from './model-host.ts';
import { OrderDesk } from './order-desk.ts';
import { OutboxWriter } from './outbox-writer.ts';
import { Reporter } from './reporter.ts';
import { RevocationWatch } from './revocation-watch.ts';
import { SealableDisk } from './sealable-disk.ts';
import { SessionLoop } from './session-loop.ts';
import { SlotStore } from './slot-store.ts';
import { SpreadWindow } from './spread-window.ts';
import { StandInDesk, type StandingIn } from './stand-in-desk.ts';
import { type GaugedRooms, setStateGauges } from './state-gauges.ts';
import { StoreKeeper } from './store-keeper.ts';
import { TrustedCatalogue } from './trusted-catalogue.ts';
import { UpdateRunner } from './update-runner.ts';

export interface DeviceAgentPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: DeviceDisk;
  readonly fetcher: Fetcher;
  readonly transport: Transport;
  readonly runtime: InferenceRuntime;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface DeviceAgentOptions {
  readonly address: DeviceAddress;
  readonly deviceKey: Signer;
  readonly boot: BootId;
  /** Name of the server this device belongs to. */
  readonly audience: string;
  /** Used until the server knows the device. */
  readonly claim: string | undefined;
  readonly pinnedRoot: Uint8Array;
  readonly agentVersion: string;
  /** When this agent was built: the first floor of trusted time. */
  readonly builtAtMs: number;
  readonly facts: Facts;
  readonly zone: string | undefined;
  readonly windowMs: number;
  /** The owner's ceilings. */
  readonly memoryBytesMax: number;
  readonly monthlyBytesMax: number | undefined;
  readonly threads: number;
  /** The owner lets the device learn from labelled inputs and take part in rounds; true when absent. */
  readonly mayTrain?: boolean;
  readonly roundsPerDay?: number;
  /** The owner's own minimum count of a histogram that leaves; the house's when absent. */
  readonly minCount?: number;
  /** What the owner lets graphs hold beyond the operators that every device accepts; nothing when absent. */
  readonly onnx?: OnnxAllowance;
  /** A worker of the active model hangs or leaks; the verdict is durable already. */
  readonly askToBeKilled: (blame: Blame) => void;
}

interface AgentRooms extends GaugedRooms {
  readonly inference: InferenceDesk;
  readonly reporter: Reporter;
  readonly rounds: Participant;
  readonly store: StoreKeeper;
  readonly disk: SealableDisk;
  readonly standIns: StandInDesk;
  readonly freshness: FreshnessWatch;
}

/**
 * One device: keeps a model answering, obeys signed orders, says what happened, and works for months without a server.
 * This file only puts the rooms together.
 */
export class DeviceAgent {
  readonly #models: ModelHost;
  readonly #inference: InferenceDesk;
  readonly #updates: UpdateRunner;
  readonly #reporter: Reporter;
  readonly #sessions: SessionLoop;
  readonly #rounds: Participant;
  readonly #store: StoreKeeper;
  readonly #standIns: StandInDesk;
  readonly #freshness: FreshnessWatch;
  readonly #gauged: GaugedRooms;
  readonly #disk: SealableDisk;

  private constructor(rooms: AgentRooms) {
    this.#models = rooms.models;
    this.#inference = rooms.inference;
    this.#updates = rooms.updates;
    this.#reporter = rooms.reporter;
    this.#sessions = rooms.sessions;
    this.#rounds = rooms.rounds;
    this.#store = rooms.store;
    this.#disk = rooms.disk;
    this.#standIns = rooms.standIns;
    this.#freshness = rooms.freshness;
    this.#gauged = rooms;
  }

  /** Reads what the disk remembers; nothing runs before `run`. */
  static async open(ports: DeviceAgentPorts, options: DeviceAgentOptions): Promise<DeviceAgent> {
    const { clock, random, fetcher, transport, runtime, log, metrics } = ports;
    const disk = new SealableDisk(ports.disk);
    const { address, deviceKey, boot, audience, claim, agentVersion, facts, zone } = options;
    const memory = await AgentMemory.open(disk, options.builtAtMs);
    const spread = new SpreadWindow({ clock, random, memory });
    const { outbox, budget, content, slots } = await openStored(disk, ports, options);
    const { pinnedRoot, memoryBytesMax, threads, windowMs, askToBeKilled } = options;
    const catalogue = new TrustedCatalogue({
      ...{ disk, fetcher, pinnedRoot },
      fresh: (trustedNowMs) => freshness.refreshed(trustedNowMs),
    });
    const download = { disk, fetcher, clock, random, budget };
    const bearer = (): string | undefined => sessions.bearer;
    const trustedNowMs = (): number | undefined => sessions.trustedNowMs();
    const ring = (): void => {
      updates.wake();
      reporter.ring();
    };
    const { fleet } = address;
    const allow = options.onnx ?? {};
    const blobs = new TrainingStore({ content, download, bearer, allow });
    const candidates = new CandidateGate({ catalogue, blobs, fleet });
    const installer = new Installer({
      ...{ catalogue, content, slots, download, bearer, candidates, agentVersion, allow },
      ...{ facts: () => facts, fleet },
    });
    const models = new ModelHost({
      ...{ runtime, installer, slots, content, clock, memoryBytesMax, threads },
    });
    const identity = identityOf(memory, { ...address, deviceKey: sha256Hex(deviceKey.publicKey) });
    const refusals = new FrameRefusals({ clock, log, metrics });
    const rounds = new Participant({
      ...{ disk, random, log, fetcher, runtime, deviceKey, blobs, bearer, identity },
      mayTrain: options.mayTrain ?? true,
      roundsPerDay: options.roundsPerDay ?? limits.roundsPerDay,
      directorKeys: async () => (await catalogue.directorKeys())?.keys,
      trustedNowMs: () => sessions.trustedNowMs(),
      running: async (app) => committedOf(models.active(app), updates.state.apps.get(app)),
      send: async (envelope) => sendReport(sessions.uplink, envelope),
      refused: (code, message) => refusals.note(code, 'round', message),
    });
    const standIns = new StandInDesk({ clock, installer });
    const inference: InferenceDesk = new InferenceDesk({
      ...{ clock, metrics, models, outbox, windowMs, memoryBytesMax, askToBeKilled, rounds },
      ...{ standIns, minCount: options.minCount ?? limits.windowMinCount },
      updates: () => updates,
      wentBack: (app, revertMs) => reporter.wentBack(app, revertMs),
    });
    const store = new StoreKeeper({ disk, clock, log, content, slots, updates: () => updates });
    const freshness: FreshnessWatch = new FreshnessWatch({
      ...{ clock, log, memory, installer, updates: () => updates, trustedNowMs, changed: ring },
    });
    const revocations = new RevocationWatch({ catalogue, installer, updates: () => updates });
    const updates: UpdateRunner = await UpdateRunner.open({
      ...{ disk, clock, random, log, metrics, installer, models, store, standIns, spread },
      ...{ stale: () => freshness.stale, trustedNowMs },
      learnRevocations: () => revocations.learn(),
      modelChanged: (app, model) => inference.modelChanged(app, model),
      stateChanged: () => reporter.ring(),
    });
    const orders = new OrderDesk({ log, memory, catalogue, updates, identity, rounds, spread });
    const uplink = new DeviceUplink({
      ...{ address, boot, transport, clock, random, log, outbox, refusals, spread },
      trustedNowMs: () => sessions.trustedNowMs(),
      received: async (kind, envelope) => {
        const refused = await orders.receive(kind, envelope);
        if (refused === undefined) await revocations.learn();
        return refused;
      },
    });
    const session = new DeviceSession({ address, fetcher, random, deviceKey, audience });
    const sessions: SessionLoop = new SessionLoop({
      ...{ clock, random, log, memory, catalogue, session, uplink, claim, spread },
      opened: async () => {
        await revocations.learn();
        ring();
      },
    });
    const reporter: Reporter = new Reporter({
      ...{ clock, log, memory, updates, deviceKey, identity, boot, agentVersion, zone, spread },
      facts: () => (freshness.isOverdue ? { ...facts, 'metadata.stale': true } : facts),
      uplink: () => sessions.uplink,
      redundancy: store.redundancy,
    });
    // The power may have gone between the list and the journal.
    await revocations.learn();
    await freshness.judge();
    await liftRefusals({ updates, installer, agentVersion });
    return new DeviceAgent({
      ...{ models, inference, updates, reporter, sessions, rounds, store },
      ...{ disk, metrics, outbox, budget, standIns, freshness, catalogue },
    });
  }

  get state(): UpdateState {
    return this.#updates.state;
  }

  decisions(): readonly AppDecision[] {
    return this.#updates.decisions();
  }

  /** The model that answers for the app now. */
  activeModel(app: AppName): HostedModel | undefined {
    return this.#models.active(app);
  }

  /** The bundle whose default answer is given for the app now, because no model may run. */
  standIn(app: AppName): StandingIn | undefined {
    return this.activeModel(app) === undefined ? this.#standIns.of(app) : undefined;
  }

  infer(app: AppName, input: InferenceInput, label?: string): Promise<TimedAnswer> {
    return this.#inference.infer(app, input, label);
  }

  /** This process holds too much memory and is ended in a moment: the model that is to blame is judged now. */
  memoryExceeded(): Promise<void> {
    return this.#inference.judgeAll();
  }

  /** Reads what is so now into the gauges of the metrics. */
  readGauges(): Promise<void> {
    return setStateGauges(this.#gauged);
  }

  /**
   * Runs until the signal aborts, then closes what is open. Nothing is written once this has settled. Rejects when a
   * loop fails beyond repair.
   */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([
        this.#updates.run(signal),
        this.#inference.run(signal),
        this.#reporter.run(signal),
        this.#sessions.run(signal),
        this.#rounds.run(signal),
        this.#store.run(signal),
        this.#freshness.run(signal),
      ]);
      await this.#models.closeAll();
    } finally {
      await this.#disk.seal();
    }
  }
}

/** What lies on the disk: windows to be sent, the month's bytes, blobs and slots. */
async function openStored(
  disk: DeviceDisk,
  { clock, random, log }: DeviceAgentPorts,
  { monthlyBytesMax: bytesPerMonthMax }: DeviceAgentOptions,
) {
  const outbox = await OutboxWriter.open({ disk, path: 'state/outbox.journal', random, log });
  const budget = await ByteBudget.open({ disk, clock, path: 'state/bytes.json', bytesPerMonthMax });
  const content = new ContentStore(disk);
  return { outbox, budget, content, slots: new SlotStore(disk, content) };
}

/** Who the device is, once a login has told the epoch. */
const identityOf = (memory: AgentMemory, known: Omit<DeviceIdentity, 'epoch'>) => () => {
  const { epoch } = memory;
  return epoch === undefined ? undefined : { ...known, epoch };
};

/**
 * What is on trial is not trained from: it may be gone in a moment. What the journal calls committed is, though the
 * session of its trial may still be the one that answers: the server has heard of it and may order at once.
 */
const committedOf = (model: HostedModel | undefined, app: AppState | undefined) =>
  model !== undefined && model.slot.digest === app?.held[0]?.digest
    ? { ...model.bundle, digest: model.slot.digest }
    : undefined;

async function sendReport(uplink: OpenUplink | undefined, envelope: Uint8Array): Promise<void> {
  if (uplink === undefined) throw new OperatingError('connect-failed', 'no session is open');
  await uplink.send('round', envelope);
}
