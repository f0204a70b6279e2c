import { createDecoder } from '../../../shared/codec/validator.ts';
import {
  type RoundReport,
  RoundReportSchema,
  updateBytesOf,
} from '../../../shared/contracts/federation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceAddress } from '../../../shared/contracts/topics.ts';
import { readAll, streamOf } from '../../../shared/core/byte-stream.ts';
import { bytesOfHex } from '../../../shared/core/bytes.ts';
import type { DeviceId, Digest, RoundId } from '../../../shared/core/ids.ts';
import { codeOf } from '../../../shared/core/operating-error.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import { verifyEnvelope } from '../../../shared/trust/dsse.ts';
import { openVerifyingKey } from '../../../shared/trust/ed25519.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { votesOf } from '../../core/federation/fixed-point.ts';
import type { RoundState } from '../../core/federation/round-state.ts';
import type { Aggregator, RunningSum } from '../../ports/aggregator.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import type { Store } from '../../ports/store.ts';
import { applyToRound, holderOf, readRound } from './round-book.ts';

export interface UpdateIntakeOptions {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly aggregator: Aggregator;
  /** A round may have moved. */
  readonly wake: () => void;
}

export interface IntakeFailure {
  readonly code: string;
  readonly message: string;
}

type Taken<T = void> = Promise<Result<T, IntakeFailure>>;

const decodeReport = createDecoder(RoundReportSchema, 4096);

/**
 * Updates come by HTTP, the reports that make them count by the hint channel, signed by the device.
 *
 * INVARIANTS
 * - A sum holds exactly the updates whose contribution says `counted`; reports are taken one at a time.
 * - Sums live in memory only: after a restart they are filled again from contributions and blobs, to the same bits.
 */
export class UpdateIntake {
  readonly #options: UpdateIntakeOptions;
  readonly #sums = new Map<RoundId, RunningSum>();
  /** The newest upload of each device that has not reported yet: an earlier one is thrown away. */
  readonly #waiting = new Map<RoundId, Map<DeviceId, Digest>>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: UpdateIntakeOptions) {
    this.#options = options;
  }

  /** Bytes that an update of this device must have: nobody reads a body of another length, or of the uninvited. */
  async expectedBytes(address: DeviceAddress, round: RoundId): Taken<number> {
    const state = await this.#openRound(address, round);
    return state.ok ? ok(updateBytesOf(state.value.plan.training)) : state;
  }

  /** The body of an upload by an authenticated device. It has no effect before its report. */
  async receiveUpdate(address: DeviceAddress, round: RoundId, bytes: Uint8Array): Taken<Digest> {
    const state = await this.#openRound(address, round);
    if (!state.ok) return state;
    const expected = updateBytesOf(state.value.plan.training);
    if (bytes.length !== expected) {
      return fail('update-shape-mismatch', `${bytes.length} bytes, expected ${expected}`);
    }
    const digest = digestOf(bytes);
    const record = { digest, sizeBytes: bytes.length, storedAtMs: this.#options.clock.nowMs() };
    // Before the blob: a crash in between leaves nothing that the store's own collector does not find.
    await this.#options.store.transaction((tx) =>
      tx.blobs.put({ ...record, purpose: 'transient' }),
    );
    const put = await this.#options.blobs.put(digest, streamOf(bytes), {
      bytesMax: limits.updateBytesMax,
    });
    if (!put.ok) return put;
    const waiting = this.#waiting.get(round) ?? new Map<DeviceId, Digest>();
    this.#waiting.set(round, waiting);
    const earlier = waiting.get(address.device);
    waiting.set(address.device, digest);
    if (earlier !== undefined && earlier !== digest) await this.#forgetBlob(round, earlier);
    return ok(digest);
  }

  /** A `up/round` envelope. Counted or refused, it is the device's one contribution to the round. */
  receiveReport(address: DeviceAddress, envelope: Uint8Array): Taken {
    return this.#alone(() => this.#takeReport(address, envelope));
  }

  /** Weighted mean of what was counted. */
  mean(state: RoundState): Promise<Float32Array> {
    return this.#alone(() => this.#withSum(state, (sum) => sum.mean()));
  }

  /** After a round has ended: its sum and its blobs go. */
  async forget(state: RoundState): Promise<void> {
    const { round } = state.plan;
    await this.#alone(async () => {
      await this.#sums.get(round)?.close();
      this.#sums.delete(round);
      const left = [...(this.#waiting.get(round)?.values() ?? [])];
      this.#waiting.delete(round);
      const counted = await this.#contributions(state);
      for (const digest of [...counted.map((entry) => entry.digest), ...left]) {
        await this.#removeBlob(digest);
      }
    });
  }

  async #takeReport(address: DeviceAddress, envelope: Uint8Array): Taken {
    const report = await this.#readReport(address, envelope);
    if (!report.ok) return report;
    const { round, update, samples } = report.value;
    const state = await this.#openRound(address, round);
    if (!state.ok) return state;
    const { store, clock } = this.#options;
    const { plan } = state.value;
    if (report.value.bundle !== plan.request.bundle.digest) {
      return fail('update-for-another', `${round} trains ${plan.request.bundle.digest}`);
    }
    const known = await store.read((view) =>
      view.rounds.getContribution(address.fleet, round, address.device),
    );
    if (known !== null) return fail('update-repeated', `${address.device} is ${known.verdict}`);
    const bytes = await this.#readUpdate(update, updateBytesOf(plan.training));
    if (bytes === undefined) return fail('update-missing', `${update} was not uploaded`);
    const votes = votesOf(samples, plan.request.training.weightSamplesMax);
    const added = await this.#withSum(state.value, (sum) => sum.add(bytes, votes));
    const verdict = added.ok ? 'counted' : added.error.code;
    await store.transaction(async (tx) => {
      const nowMs = clock.nowMs();
      await tx.rounds.insertContribution({
        ...{ ...address, round, digest: update, samples, verdict, receivedAtMs: nowMs },
      });
      if (added.ok) await tx.blobs.holdMore(holderOf(round), update);
      const event = { type: added.ok ? 'update-counted' : 'update-refused' } as const;
      await applyToRound(tx, { fleet: address.fleet, round }, { event, nowMs });
    });
    this.#waiting.get(round)?.delete(address.device);
    if (!added.ok) await this.#removeBlob(update);
    this.#options.wake();
    return added.ok ? ok(undefined) : fail(added.error.code, added.error.message);
  }

  /** Signature by the device's own key first, form after it, then whether it speaks for itself and for now. */
  async #readReport(address: DeviceAddress, envelope: Uint8Array): Taken<RoundReport> {
    const device = await this.#options.store.read((view) =>
      view.devices.get(address.fleet, address.device),
    );
    const key = openVerifyingKey(bytesOfHex(device?.publicKey ?? '') ?? new Uint8Array());
    if (device?.state !== 'accepted' || key === undefined) {
      return fail('device-unknown', `${address.device} is not accepted`);
    }
    const keys = { role: 'device', keys: [key], threshold: 1 } as const;
    const payload = verifyEnvelope('roundReport', keys, envelope);
    if (!payload.ok) return payload;
    const report = decodeReport(payload.value);
    if (!report.ok) return fail(report.error.code, report.error.message);
    const { fleet, device: id, epoch } = report.value;
    if (fleet !== address.fleet || id !== address.device || epoch !== device.epoch) {
      return fail('report-for-another', `${id} of ${fleet}`);
    }
    return report;
  }

  async #openRound(address: DeviceAddress, round: RoundId): Taken<RoundState> {
    const state = await this.#options.store.read((view) => readRound(view, address.fleet, round));
    if (state === undefined) return fail('round-unknown', round);
    if (state.phase !== 'reporting') return fail('round-closed', `${round} is ${state.phase}`);
    return state.invited.includes(address.device)
      ? ok(state)
      : fail('not-invited', `${round} has not chosen ${address.device}`);
  }

  /** A lost thread costs a refill, once. */
  async #withSum<T>(state: RoundState, use: (sum: RunningSum) => Promise<T>): Promise<T> {
    try {
      return await use(await this.#sumOf(state));
    } catch (error) {
      if (codeOf(error) !== 'aggregator-lost') throw error;
      this.#sums.delete(state.plan.round);
      return use(await this.#sumOf(state));
    }
  }

  async #sumOf(state: RoundState): Promise<RunningSum> {
    const { round, training, request } = state.plan;
    const known = this.#sums.get(round);
    if (known !== undefined) return known;
    const { elements, clipNorm } = training;
    const bundle = request.bundle.digest;
    const sum = await this.#options.aggregator.open({ round, bundle, elements, clipNorm });
    for (const { digest, samples } of await this.#contributions(state)) {
      const bytes = await this.#readUpdate(digest, updateBytesOf(training));
      const votes = votesOf(samples, request.training.weightSamplesMax);
      if (bytes !== undefined) await sum.add(bytes, votes);
    }
    this.#sums.set(round, sum);
    return sum;
  }

  /** Those that were counted, by device id. */
  async #contributions({ plan: { fleet, round } }: RoundState) {
    const rows = await this.#options.store.read((view) =>
      view.rounds.listContributions(fleet, round, { limit: limits.storePageMax }),
    );
    const more =
      rows.length === limits.storePageMax
        ? await this.#rest(fleet, round, rows.at(-1)?.device)
        : [];
    return [...rows, ...more].filter(({ verdict }) => verdict === 'counted');
  }

  #rest(fleet: DeviceAddress['fleet'], round: RoundId, after: DeviceId | undefined) {
    // A cohort has at most `roundDevicesMax` devices, which is two pages.
    return this.#options.store.read((view) =>
      view.rounds.listContributions(fleet, round, {
        limit: limits.storePageMax,
        ...(after === undefined ? {} : { after }),
      }),
    );
  }

  async #readUpdate(digest: Digest, bytes: number): Promise<Uint8Array | undefined> {
    const { blobs } = this.#options;
    if ((await blobs.size(digest)) !== bytes) return undefined;
    const body = await blobs.read(digest);
    if (body === undefined) return undefined;
    const whole = await readAll(body);
    return digestOf(whole) === digest ? whole : undefined;
  }

  /** Two devices may have sent equal updates: a blob that another one stands on stays. */
  async #forgetBlob(round: RoundId, digest: Digest): Promise<void> {
    const waiting = this.#waiting.get(round);
    if (waiting !== undefined && [...waiting.values()].includes(digest)) return;
    await this.#removeBlob(digest);
  }

  /** An update may be made to equal a blob of a bundle: what others brought or hold is not the round's to end. */
  async #removeBlob(digest: Digest): Promise<void> {
    const { store, blobs } = this.#options;
    const isOthers = await store.read(async (view) => {
      const { purpose = 'transient' } = (await view.blobs.get(digest)) ?? {};
      return purpose !== 'transient' || view.blobs.isHeld(digest);
    });
    if (isOthers) return;
    await blobs.remove(digest);
    await store.transaction((tx) => tx.blobs.remove(digest));
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work, work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

const fail = (code: string, message: string): Result<never, IntakeFailure> =>
  err({ code, message });
