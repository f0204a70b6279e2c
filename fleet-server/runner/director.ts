import { encodeFrame } from '../../shared/codec/frame.ts';
import type { DesiredEntry, DesiredState } from '../../shared/contracts/desired.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { BootId, DeviceId, Digest, FleetId } from '../../shared/core/ids.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import { signEnvelope } from '../../shared/trust/dsse.ts';
import { auditHeadOf } from '../core/audit/audit-chain.ts';
import type { Device } from '../core/model/device.ts';
import type { DesiredEnvelope, DeviceApp } from '../core/model/device-app.ts';
import type { Broker } from '../ports/broker.ts';
import type { Store } from '../ports/store.ts';

export interface DirectorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly broker: Broker;
  readonly signer: Signer;
  /** Version of the director's keys, as `director.json` says it. */
  readonly directorVersion: number;
  readonly boot: BootId;
  /** How long an order may start an install. */
  readonly orderLifeMs: number;
  /** Digests that must not run, beyond what `revoked.json` says. */
  readonly revoked: () => readonly Digest[];
}

/**
 * Signs what is ordered and hands it to the broker. What should be signed is derived from the store each time: a device
 * whose issued generation is above its stored envelope is owed one, also after a crash in between.
 */
export class Director {
  readonly #options: DirectorOptions;
  #seq = 0;

  constructor(options: DirectorOptions) {
    this.#options = options;
  }

  /** Version of the keys it signs under. */
  get version(): number {
    return this.#options.directorVersion;
  }

  /** Signs and publishes to devices that are owed an envelope; the others are sent what they have missed. */
  async serve(fleet: FleetId, devices: readonly DeviceId[]): Promise<void> {
    for (const device of devices) await this.#serveOne(fleet, device);
  }

  async #serveOne(fleet: FleetId, device: DeviceId): Promise<void> {
    for (let i = 0; i < limits.signAttemptsMax; i += 1) {
      const owed = await this.#load(fleet, device);
      if (owed === undefined) return;
      const envelope = owed.isStale ? await this.#sign(owed) : owed.stored;
      if (envelope === null) continue;
      await this.#publish(owed.device, envelope);
      return;
    }
    // Whoever wrote in between serves what it wrote.
  }

  async #load(fleet: FleetId, id: DeviceId) {
    return this.#options.store.read(async (view) => {
      const device = await view.devices.get(fleet, id);
      // After a restore nothing is signed before the device has said what it saw last.
      if (device?.state !== 'accepted' || device.needsReport || device.epoch === null) return;
      const stored = await view.desiredEnvelopes.get(fleet, id);
      const apps = await view.deviceApps.listOf(fleet, id);
      const audit = auditHeadOf(await view.audit.last());
      const isStale =
        device.issuedGeneration > 0 &&
        (stored === null ||
          stored.generation < device.issuedGeneration ||
          stored.directorVersion < this.#options.directorVersion ||
          stored.signedAtMs + this.#options.orderLifeMs / 2 < this.#options.clock.nowMs());
      return { device, epoch: device.epoch, stored, apps, audit, isStale };
    });
  }

  async #sign(owed: {
    readonly device: Device;
    readonly epoch: NonNullable<Device['epoch']>;
    readonly stored: DesiredEnvelope | null;
    readonly apps: readonly DeviceApp[];
    readonly audit: ReturnType<typeof auditHeadOf>;
  }): Promise<DesiredEnvelope | null> {
    const { clock, signer, store, directorVersion, orderLifeMs, revoked } = this.#options;
    const { device } = owed;
    const issuedAtMs = clock.nowMs();
    // Signing the same set again, for its expiry or under new keys, still needs a generation of its own.
    const generation =
      owed.stored !== null && owed.stored.generation >= device.issuedGeneration
        ? owed.stored.generation + 1
        : device.issuedGeneration;
    const payload: DesiredState = {
      fleet: device.fleet,
      device: device.device,
      deviceKey: device.keyDigest,
      epoch: owed.epoch,
      directorVersion,
      generation,
      issuedAtMs,
      expiresAtMs: issuedAtMs + orderLifeMs,
      apps: owed.apps.flatMap(entryOf),
      revoked: [...revoked()].sort().slice(0, limits.revokedPerOrderMax),
      ...(owed.audit === null ? {} : { auditHead: owed.audit }),
    };
    const envelope = await signEnvelope('desired', utf8(canonicalJson(payload)), [signer]);
    const signed = {
      fleet: device.fleet,
      device: device.device,
      directorVersion,
      generation,
      envelope,
      signedAtMs: issuedAtMs,
    };
    const isNewest = await store.transaction(async (tx) => {
      // One generation never has two contents: an order that came while this one was signed makes it worthless.
      const now = await tx.devices.get(device.fleet, device.device);
      const isCurrent =
        now?.issuedGeneration === device.issuedGeneration && now.epoch === device.epoch;
      if (!isCurrent) return false;
      const put = await tx.desiredEnvelopes.put(signed);
      const issued = { issuedGeneration: generation, issuedDirectorVersion: directorVersion };
      if (put) await tx.devices.update(device.fleet, device.device, issued);
      return put;
    });
    return isNewest ? signed : null;
  }

  async #publish(device: Device, desired: DesiredEnvelope): Promise<void> {
    const { broker, clock, random, boot } = this.#options;
    const address = { fleet: device.fleet, device: device.device };
    if (device.epoch === null || !broker.isConnected(address)) return;
    this.#seq += 1;
    const header = {
      v: 1 as const,
      id: hexOf(random.bytes(8)),
      ts: clock.nowMs(),
      epoch: device.epoch,
      boot,
      seq: this.#seq,
    };
    await broker.publish(address, {
      kind: 'desired',
      bytes: encodeFrame(header, desired.envelope),
    });
  }
}

function entryOf({ app, desired }: DeviceApp): DesiredEntry[] {
  if (desired === null) return [];
  const { path, digest, rollout, retry } = desired;
  return [{ app, path, digest, retry, ...(rollout === null ? {} : { rollout }) }];
}
