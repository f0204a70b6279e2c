import { createDecoder } from '../../shared/codec/validator.ts';
import { limits } from '../../shared/contracts/limits.ts';
import {
  type ReportedApp,
  type ReportedState,
  ReportedStateSchema,
} from '../../shared/contracts/reported.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import { bytesOfHex } from '../../shared/core/bytes.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Zones } from '../../shared/ports/zones.ts';
import { verifyEnvelope } from '../../shared/trust/dsse.ts';
import { openVerifyingKey } from '../../shared/trust/ed25519.ts';
import { answerReport } from '../core/director/answer-report.ts';
import type { Device } from '../core/model/device.ts';
import { blankDeviceApp, type DeviceApp } from '../core/model/device-app.ts';
import { stepExposure } from '../core/rollout/step-exposure.ts';
import type { Store, StoreTx } from '../ports/store.ts';
import type { Director } from './director.ts';
import { loadDesiredDevice } from './rollout/desired-device.ts';
import { exposureContext } from './rollout/order-device.ts';
import type { RolloutBook } from './rollout/rollout-book.ts';
import type { RolloutDesk } from './rollout/rollout-desk.ts';

export interface ReportIntakeOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly zones: Zones;
  readonly book: RolloutBook;
  readonly desk: RolloutDesk;
  readonly director: Director;
}

export interface ReportRefusal {
  readonly code: string;
  readonly message: string;
}

const decodeReport = createDecoder(ReportedStateSchema, limits.frameBytesMax);

/**
 * Device-signed manifests in; device truth, outcomes of offers and, where something is still wanted, a new order out.
 * The report outlives the session it came in, so its own signature is what counts.
 */
export class ReportIntake {
  readonly #options: ReportIntakeOptions;

  constructor(options: ReportIntakeOptions) {
    this.#options = options;
  }

  async receive(
    address: DeviceAddress,
    envelope: Uint8Array,
  ): Promise<Result<void, ReportRefusal>> {
    const taken = await this.#options.store.transaction(async (tx) => {
      const device = await tx.devices.get(address.fleet, address.device);
      if (device === null) return refuse('device-unknown', `${address.device} is not enrolled`);
      const report = readReport(device, envelope);
      if (!report.ok) return report;
      if (device.reportedNumber !== null && report.value.number <= device.reportedNumber) {
        // An older report that the network kept: what it says was overtaken.
        return ok({ isOwed: false });
      }
      await this.#store(tx, device, report.value, envelope);
      await this.#settleOffers(tx, address, report.value);
      await this.#options.desk.reconsider(tx, address.fleet, address.device);
      const after = await tx.devices.get(address.fleet, address.device);
      return ok({ isOwed: (after?.issuedGeneration ?? 0) > report.value.seen.generation });
    });
    if (!taken.ok) return taken;
    if (taken.value.isOwed) await this.#options.director.serve(address.fleet, [address.device]);
    return ok(undefined);
  }

  async #store(
    tx: StoreTx,
    device: Device,
    report: ReportedState,
    envelope: Uint8Array,
  ): Promise<void> {
    const { fleet, device: id } = device;
    const nowMs = this.#options.clock.nowMs();
    await tx.devices.putReportedEnvelope({
      fleet,
      device: id,
      epoch: report.epoch,
      number: report.number,
      envelope,
      receivedAtMs: nowMs,
    });
    const seen = report.seen;
    const known = await tx.deviceApps.listOf(fleet, id);
    const answer = answerReport(
      {
        directorVersion: this.#options.director.version,
        issued: device,
        wanted: new Map(
          known.flatMap(({ app, desired }) => (desired === null ? [] : [[app, desired.digest]])),
        ),
      },
      report,
    );
    if (answer.isForeign) await this.#tellForeign(tx, device, report);
    await tx.devices.update(fleet, id, {
      facts: report.facts,
      zone: report.zone ?? null,
      agentVersion: report.agentVersion,
      protocolMin: report.protocol.min,
      protocolMax: report.protocol.max,
      lastSeenMs: nowMs,
      reportedNumber: report.number,
      seenDirectorVersion: seen.directorVersion,
      seenGeneration: seen.generation,
      issuedGeneration: answer.issuedGeneration,
      needsReport: false,
    });
    for (const app of report.apps) {
      const before =
        known.find((entry) => entry.app === app.app) ?? blankDeviceApp(device, app.app);
      await tx.deviceApps.put(reportedOnto(before, app, { report, nowMs }));
    }
  }

  /** A person has to know: somebody else signs with the director's key. */
  async #tellForeign(tx: StoreTx, device: Device, { seen }: ReportedState): Promise<void> {
    const issued = device.issuedGeneration;
    await tx.events.append(device.fleet, {
      atMs: this.#options.clock.nowMs(),
      kind: 'foreign-order-seen',
      subject: device.device,
      content: { seen: seen.generation, issued },
    });
  }

  async #settleOffers(tx: StoreTx, address: DeviceAddress, report: ReportedState): Promise<void> {
    const device = await tx.devices.get(address.fleet, address.device);
    if (device === null) return;
    const loaded = await loadDesiredDevice(tx, device);
    for (const exposure of loaded.desired.exposures) {
      const row = await tx.rollouts.get(address.fleet, exposure.rollout);
      const rollout = row === null ? undefined : this.#options.book.open(row);
      if (rollout === undefined) continue;
      const scope = { rollouts: [rollout], context: this.#context() };
      const event = {
        type: 'reported' as const,
        generation: report.seen.generation,
        app: report.apps.find((app) => app.app === exposure.app),
      };
      const after = stepExposure(exposure, event, exposureContext(loaded, rollout, scope));
      if (after === exposure) continue;
      await tx.offers.put(address.fleet, { cell: device.cell, arm: 'wave', exposure: after });
    }
  }

  #context() {
    const { clock, zones } = this.#options;
    return { nowMs: clock.nowMs(), zones, revoked: new Set<never>(), stopped: new Set<never>() };
  }
}

/** Signature first, by the key of this enrolment; then form; then whether it is about this device at all. */
function readReport(device: Device, envelope: Uint8Array): Result<ReportedState, ReportRefusal> {
  const key = openVerifyingKey(bytesOfHex(device.publicKey) ?? new Uint8Array());
  if (key === undefined) return refuse('unknown-key', 'the device has no usable key');
  const keys = { role: 'device', keys: [key], threshold: 1 } as const;
  const payload = verifyEnvelope('reported', keys, envelope);
  if (!payload.ok) return payload;
  const report = decodeReport(payload.value);
  if (!report.ok) {
    return refuse(report.error.code, `${report.error.pointer} ${report.error.message}`);
  }
  const { fleet, device: id, epoch } = report.value;
  if (fleet !== device.fleet || id !== device.device) {
    return refuse('report-for-another', `the report speaks for ${id}`);
  }
  return epoch === device.epoch
    ? report
    : refuse('epoch-mismatch', 'the report is of another enrolment');
}

function reportedOnto(
  before: DeviceApp,
  app: ReportedApp,
  { report, nowMs }: { readonly report: ReportedState; readonly nowMs: number },
): DeviceApp {
  const hasCommitted = app.phase === 'committed' && app.active !== undefined;
  return {
    ...before,
    phase: app.phase,
    active: app.active ?? null,
    lastGood: app.lastGood ?? null,
    target: app.target ?? null,
    reason: app.reason ?? null,
    regressed: app.regressed ?? false,
    revertMs: app.revertMs ?? null,
    refused: report.refused,
    firstCommittedAtMs: before.firstCommittedAtMs ?? (hasCommitted ? nowMs : null),
  };
}

const refuse = (code: string, message: string): Result<never, ReportRefusal> =>
  err({ code, message });
