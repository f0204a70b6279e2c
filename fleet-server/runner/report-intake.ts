import { createDecoder } from '../../shared/codec/validator.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { spokenProtocol } from '../../shared/contracts/protocol-range.ts';
import {
  type ReportedApp,
  type ReportedState,
  ReportedStateSchema,
} from '../../shared/contracts/reported.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import { bytesOfHex } from '../../shared/core/bytes.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import type { Zones } from '../../shared/ports/zones.ts';
import { verifyEnvelope } from '../../shared/trust/dsse.ts';
import { openVerifyingKey } from '../../shared/trust/ed25519.ts';
import { answerReport } from '../core/director/answer-report.ts';
import type { Device } from '../core/model/device.ts';
import { blankDeviceApp, type DeviceApp } from '../core/model/device-app.ts';
import { exposureContext } from '../core/rollout/device-order.ts';
import { type LoadedDevice, loadedDeviceOf } from '../core/rollout/loaded-device.ts';
import type { DesiredRollout } from '../core/rollout/offer-facts.ts';
import { type Exposure, stepExposure } from '../core/rollout/step-exposure.ts';
import { isForeignSpeaker } from '../core/session/spoken-protocol.ts';
import type { Store, StoreTx } from '../ports/store.ts';
import type { Director } from './director.ts';
import { loadDesiredDevice } from './rollout/load-devices.ts';
import type { RolloutBook } from './rollout/rollout-book.ts';
import type { RolloutDesk } from './rollout/rollout-desk.ts';
import { tellRegressions } from './tell-regressions.ts';
import type { ReturnedHead, WitnessIntake } from './witness-intake.ts';

export interface ReportIntakeOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly zones: Zones;
  readonly book: RolloutBook;
  readonly desk: RolloutDesk;
  readonly director: Director;
  readonly witnesses: WitnessIntake;
  readonly metrics: Metrics;
}

export interface ReportRefusal {
  readonly code: string;
  readonly message: string;
}

interface HeardReport {
  readonly report: ReportedState;
  readonly envelope: Uint8Array;
  /** The audit head it returned, where that is a witness. */
  readonly head: ReturnedHead | undefined;
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
    const { witnesses } = this.#options;
    const taken = await this.#options.store.transaction(async (tx) => {
      const device = await tx.devices.get(address.fleet, address.device);
      if (device === null) return refuse('device-unknown', `${address.device} is not enrolled`);
      // A frame may have been on its way when the device was decommissioned.
      if (device.state !== 'accepted') {
        return refuse(`device-${device.state}`, `${address.device} is ${device.state}`);
      }
      const report = readReport(device, envelope);
      if (!report.ok) return report;
      if (device.reportedNumber !== null && report.value.number <= device.reportedNumber) {
        // An older report that the network kept: what it says was overtaken.
        return ok({ isOwed: false, head: undefined, regressed: 0 });
      }
      const known = await loadDesiredDevice(tx, device);
      const head = witnesses.open(device, report.value.signedHead);
      const reported = await this.#store(tx, known, { report: report.value, envelope, head });
      const rollouts = await this.#options.desk.rolloutsFor(tx, reported);
      const settled = await this.#settleOffers(tx, reported, { report: report.value, rollouts });
      const regressed = await tellRegressions(tx, device, {
        before: known.desired.exposures,
        after: settled.desired.exposures,
        nowMs: this.#options.clock.nowMs(),
      });
      const decision = await this.#options.desk.reconsider(tx, settled, rollouts);
      const issued = decision.changed ? decision.generation : reported.device.issuedGeneration;
      return ok({ isOwed: issued > report.value.seen.generation, head, regressed });
    });
    if (!taken.ok) return taken;
    const { regressed } = taken.value;
    if (regressed > 0) this.#options.metrics.count('skein_regressions_total', regressed);
    if (taken.value.head !== undefined) witnesses.settle(taken.value.head);
    if (taken.value.isOwed) await this.#options.director.serve(address.fleet, [address.device]);
    return ok(undefined);
  }

  /** Returns the device as it is written down. */
  async #store(
    tx: StoreTx,
    { device, apps: known, desired }: LoadedDevice,
    { report, envelope, head }: HeardReport,
  ): Promise<LoadedDevice> {
    const { fleet, device: id } = device;
    const nowMs = this.#options.clock.nowMs();
    const { epoch, number, seen } = report;
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
    const patch = {
      facts: report.facts,
      zone: report.zone ?? null,
      agentVersion: report.agentVersion,
      protocolMin: report.protocol.min,
      protocolMax: report.protocol.max,
      lastSeenMs: nowMs,
      reportedNumber: number,
      seenDirectorVersion: seen.directorVersion,
      seenGeneration: seen.generation,
      issuedGeneration: answer.issuedGeneration,
      needsReport: false,
    };
    const apps = new Map(known.map((app) => [app.app, app]));
    for (const app of report.apps) {
      const before = apps.get(app.app) ?? blankDeviceApp(device, app.app);
      apps.set(app.app, reportedOnto(before, app, { report, nowMs }));
    }
    const reported = report.apps.flatMap(({ app }) => apps.get(app) ?? []);
    // Rows that do not depend on each other travel together.
    await Promise.all([
      tx.devices.putReportedEnvelope({
        ...{ fleet, device: id, epoch, number, envelope },
        receivedAtMs: nowMs,
      }),
      tx.devices.update(fleet, id, patch),
      ...reported.map((app) => tx.deviceApps.put(app)),
      ...(answer.isForeign ? [this.#tellForeign(tx, device, report)] : []),
      ...(isForeignSpeaker(patch) && !isForeignSpeaker(device)
        ? [this.#tellUnspoken(tx, device, report)]
        : []),
      ...(head === undefined ? [] : [this.#options.witnesses.keep(tx, device, head)]),
    ]);
    return loadedDeviceOf({ ...device, ...patch }, [...apps.values()], desired.exposures);
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

  /** Its agent was replaced by one with which this server has no language in common. */
  async #tellUnspoken(tx: StoreTx, device: Device, { protocol }: ReportedState): Promise<void> {
    await tx.events.append(device.fleet, {
      atMs: this.#options.clock.nowMs(),
      kind: 'protocol-unspoken',
      subject: device.device,
      content: { code: 'protocol-unspoken', theirs: { ...protocol }, ours: { ...spokenProtocol } },
    });
  }

  /** What the report proves about its offers. Returns the device as it stands then. */
  async #settleOffers(
    tx: StoreTx,
    loaded: LoadedDevice,
    heard: { readonly report: ReportedState; readonly rollouts: readonly DesiredRollout[] },
  ): Promise<LoadedDevice> {
    const { report, rollouts } = heard;
    const { device, apps, desired } = loaded;
    const exposures: Exposure[] = [];
    for (const exposure of desired.exposures) {
      const rollout = rollouts.find(({ state }) => state.id === exposure.rollout);
      const event = {
        type: 'reported' as const,
        generation: report.seen.generation,
        app: report.apps.find((app) => app.app === exposure.app),
      };
      const scope = { rollouts, context: this.#context() };
      const after =
        rollout === undefined
          ? exposure
          : stepExposure(exposure, event, exposureContext(loaded, rollout, scope));
      if (after !== exposure) {
        await tx.offers.put(device.fleet, { cell: device.cell, arm: 'wave', exposure: after });
      }
      exposures.push(after);
    }
    return loadedDeviceOf(device, apps, exposures);
  }

  #context() {
    const { clock, zones } = this.#options;
    const unknown = { revoked: new Set<never>(), stopped: new Set<never>(), regressions: [] };
    return { nowMs: clock.nowMs(), zones, ...unknown, minAgents: new Map<never, never>() };
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
