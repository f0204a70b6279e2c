import { encodeUpdate } from '../../../shared/codec/federated-update.ts';
import { createDecoder } from '../../../shared/codec/validator.ts';
import {
  type RoundOrder,
  RoundOrderSchema,
  type RoundReport,
} from '../../../shared/contracts/federation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { base64Of, bytesOfBase64, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { codeOf } from '../../../shared/core/operating-error.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { DeviceDisk } from '../../../shared/ports/device-disk.ts';
import type { Fetcher } from '../../../shared/ports/fetcher.ts';
import type { InferenceRuntime } from '../../../shared/ports/inference-runtime.ts';
import type { Log } from '../../../shared/ports/log.ts';
import type { Signer } from '../../../shared/ports/signer.ts';
import { type RoleKeys, signEnvelope, verifyEnvelope } from '../../../shared/trust/dsse.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { type AcceptedRound, acceptRound } from '../../core/federation/accept-round.ts';
import { clipDelta } from '../../core/federation/clip-delta.ts';
import {
  type LedgerEntry,
  parseLedgerEntry,
  recordRound,
  type TrainingLedger,
} from '../../core/federation/training-ledger.ts';
import type { DeviceIdentity } from '../../core/update/accept-desired.ts';
import type { InstalledBundle } from '../installer.ts';
import { JournalFile } from '../journal-file.ts';
import type { ExampleIndex } from './example-index.ts';
import { trainLocally } from './local-trainer.ts';
import type { TrainingStore } from './training-store.ts';

export interface RoundRunnerOptions {
  readonly disk: DeviceDisk;
  /** Of the ledger, such as `state/rounds.journal`. */
  readonly path: string;
  readonly log: Log;
  readonly fetcher: Fetcher;
  readonly runtime: InferenceRuntime;
  readonly deviceKey: Signer;
  readonly examples: ExampleIndex;
  readonly blobs: TrainingStore;
  readonly bearer: () => string | undefined;
  readonly identity: () => DeviceIdentity | undefined;
  readonly directorKeys: () => Promise<RoleKeys<'director'> | undefined>;
  readonly trustedNowMs: () => number | undefined;
  /** The committed bundle that answers for the app, with its digest. */
  readonly running: (
    app: AppName,
  ) => Promise<(InstalledBundle & { readonly digest: RoundOrder['bundle']['digest'] }) | undefined>;
  /** Publishes `up/round`; rejects while there is no session, and the server orders again. */
  readonly send: (envelope: Uint8Array) => Promise<void>;
  /** An order has no effect. Who sent it may be anybody, so it is for the caller to bound how often it is said. */
  readonly refused: (code: string, message: string) => void;
  readonly roundsPerDay: number;
}

type Outcome = Result<void, { readonly code: string; readonly message: string }>;

const decodeOrder = createDecoder(RoundOrderSchema, limits.frameBytesMax);

/**
 * Takes part in rounds, one at a time: what leaves the device is a clipped difference of weights and a signed report.
 * The ledger is written before the training starts, so a crash costs a try and can never loop.
 */
export class RoundRunner {
  readonly #options: RoundRunnerOptions;
  readonly #journal: JournalFile<LedgerEntry>;
  #ledger: TrainingLedger;
  #isTraining = false;

  private constructor(
    options: RoundRunnerOptions,
    stored: { readonly journal: JournalFile<LedgerEntry>; readonly ledger: TrainingLedger },
  ) {
    this.#options = options;
    this.#journal = stored.journal;
    this.#ledger = stored.ledger;
  }

  static async open(options: RoundRunnerOptions): Promise<RoundRunner> {
    const { disk, path } = options;
    const bytesMax = limits.ledgerBytesMax;
    const opened = await JournalFile.open({ disk, path, bytesMax, parse: parseLedgerEntry });
    const ledger = opened.records.reduce<TrainingLedger>(recordRound, []);
    return new RoundRunner(options, { journal: opened.journal, ledger });
  }

  get ledger(): TrainingLedger {
    return this.#ledger;
  }

  /**
   * A `dn/round` envelope. Never rejects: what goes wrong is logged with its code, and the round
   * goes on without us.
   */
  async receive(envelope: Uint8Array, signal?: AbortSignal): Promise<Outcome> {
    // An order that comes again while its training runs has its answer under way.
    if (this.#isTraining) return ok(undefined);
    this.#isTraining = true;
    try {
      const outcome = await this.#take(envelope, signal);
      if (!outcome.ok) {
        const { code, message } = outcome.error;
        this.#options.refused(code, message);
      }
      return outcome;
    } catch (error) {
      const code = codeOf(error);
      this.#options.log.warn(
        { event: 'round-failed', code, error },
        'the round goes on without us',
      );
      return fail(code, error instanceof Error ? error.message : String(error));
    } finally {
      this.#isTraining = false;
    }
  }

  async #take(envelope: Uint8Array, signal: AbortSignal | undefined): Promise<Outcome> {
    const keys = await this.#options.directorKeys();
    const identity = this.#options.identity();
    if (keys === undefined || identity === undefined) {
      return fail('no-director-known', 'nobody may order yet');
    }
    const payload = verifyEnvelope('round', keys, envelope);
    if (!payload.ok) return payload;
    const order = decodeOrder(payload.value);
    if (!order.ok) return fail(order.error.code, order.error.pointer);
    const { app } = order.value;
    const running = await this.#options.running(app);
    const rowBytes = rowBytesOf(running);
    const accepted = acceptRound(order.value, {
      identity,
      trustedNowMs: this.#options.trustedNowMs(),
      running: running?.digest,
      training: running?.config.training,
      samples: this.#options.examples.of(app, rowBytes).length,
      ledger: this.#ledger,
      roundsPerDay: this.#options.roundsPerDay,
      roundTriesMax: limits.roundTriesMax,
    });
    if (!accepted.ok) return fail(accepted.error, order.value.round);
    const { known } = accepted.value;
    if (known?.report !== undefined) return this.#report(known.report);
    return running === undefined
      ? fail('round-bundle-not-running', app)
      : this.#train(order.value, {
          ...{ accepted: accepted.value, running, rowBytes, signal },
        });
  }

  async #train(
    order: RoundOrder,
    scene: {
      readonly accepted: AcceptedRound;
      readonly running: InstalledBundle;
      readonly rowBytes: number;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<Outcome> {
    const { runtime, examples: index, blobs } = this.#options;
    const { training, known } = scene.accepted;
    const begun: LedgerEntry = {
      round: order.round,
      bundle: order.bundle.digest,
      atMs: known?.atMs ?? this.#options.trustedNowMs() ?? 0,
      tries: (known?.tries ?? 0) + 1,
    };
    await this.#record(begun);
    const loaded = await blobs.load(scene.running, training);
    if (!loaded.ok) return loaded;
    const examples = index.of(order.app, scene.rowBytes);
    const { config } = scene.running;
    const seed = `${order.round}/${order.device}`;
    const trained = await trainLocally(runtime, {
      ...{ config, task: order.task, examples, seed },
      ...loaded.value,
      ...(scene.signal === undefined ? {} : { signal: scene.signal }),
    });
    const clipped = clipDelta(loaded.value.start, trained.tensors, training.clipNorm);
    if (!clipped.ok || !Number.isFinite(trained.lossBefore + trained.lossAfter)) {
      return fail('training-diverged', order.round);
    }
    const { tensors } = clipped.value;
    const elements = tensors.map((tensor) => tensor.length);
    const shape = { round: order.round, bundle: order.bundle.digest, elements };
    const update = encodeUpdate(shape, tensors);
    const uploaded = await this.#upload(order, update);
    if (!uploaded.ok) return uploaded;
    const report = await this.#signReport(order, {
      update: digestOf(update),
      samples: examples.length,
      lossBefore: trained.lossBefore,
      lossAfter: trained.lossAfter,
    });
    const text = base64Of(report);
    await this.#record({ ...begun, report: text });
    return this.#report(text);
  }

  async #upload(order: RoundOrder, update: Uint8Array): Promise<Outcome> {
    const token = this.#options.bearer();
    const response = await this.#options.fetcher.fetch({
      method: 'PUT',
      path: order.uploadPath,
      headers: new Map([['content-type', 'application/octet-stream']]),
      body: update,
      bytesMax: limits.requestBytesMax,
      timeoutMs: limits.updateUploadTimeoutMs,
      ...(token === undefined ? {} : { bearer: token }),
    });
    response.cancel();
    return response.status >= 200 && response.status < 300
      ? ok(undefined)
      : fail('fetch-failed', `the upload was answered with ${response.status}`);
  }

  async #signReport(
    order: RoundOrder,
    facts: Pick<RoundReport, 'update' | 'samples' | 'lossBefore' | 'lossAfter'>,
  ): Promise<Uint8Array> {
    const { fleet, device, epoch, round, bundle } = order;
    const report: RoundReport = { fleet, device, epoch, round, bundle: bundle.digest, ...facts };
    return signEnvelope('roundReport', utf8(canonicalJson(report)), [this.#options.deviceKey]);
  }

  async #report(report: string): Promise<Outcome> {
    await this.#options.send(bytesOfBase64(report) ?? new Uint8Array());
    return ok(undefined);
  }

  async #record(entry: LedgerEntry): Promise<void> {
    const next = recordRound(this.#ledger, entry);
    if (this.#journal.isLarge) await this.#journal.compact(next);
    else await this.#journal.append(entry);
    this.#ledger = next;
  }
}

/** Bytes of one item of the model's first input. */
function rowBytesOf(running: InstalledBundle | undefined): number {
  const first = running?.config.inputs[0];
  if (first === undefined) return 0;
  // The name of a numeric type ends with its bits; bool has none and takes a byte.
  const width = Number(/[0-9]+$/.exec(first.type)?.[0] ?? 8) / 8;
  return first.shape.slice(1).reduce<number>((product, size) => product * Number(size), width);
}

const fail = (code: string, message: string): Outcome => err({ code, message });
