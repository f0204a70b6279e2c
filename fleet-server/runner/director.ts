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
import {
  bundlesNear,
  type ChosenRevocations,
  chooseRevoked,
} from '../core/director/choose-revoked.ts';
import type { AuditRow } from '../core/model/audit-row.ts';
import type { Device } from '../core/model/device.ts';
import type { DesiredEnvelope, DeviceApp } from '../core/model/device-app.ts';
import { isForeignSpeaker } from '../core/session/spoken-protocol.ts';
import type { Broker } from '../ports/broker.ts';
import type { Store, StoreTx, StoreView } from '../ports/store.ts';
import type { HeadSigner } from './head-signer.ts';

export interface DirectorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly broker: Broker;
  readonly signer: Signer;
  readonly heads: HeadSigner;
  /** Version of the director's keys, as `director.json` says it. */
  readonly directorVersion: number;
  readonly boot: BootId;
  /** How long an order may start an install. */
  readonly orderLifeMs: number;
  /** Digests that must not run, as the newest `revoked.json` says. */
  readonly revoked: () => ReadonlySet<Digest>;
}

/** A device as it stands, and what it has been sent. */
interface Owed {
  readonly device: Device;
  readonly epoch: NonNullable<Device['epoch']>;
  readonly stored: DesiredEnvelope | null;
  readonly apps: readonly DeviceApp[];
  /** Newest row of the audit chain. */
  readonly audit: AuditRow | null;
  readonly forbidden: ChosenRevocations;
  /** What it was sent is not what it should be told. */
  readonly isStale: boolean;
}

/** Signed, not yet written down: worth nothing if the device was ordered something else meanwhile. */
interface Draft {
  readonly device: Device;
  readonly desired: DesiredEnvelope;
  readonly forbidden: ChosenRevocations;
}

/** The list of revocations is longer than an order; `draft` is the first that lacks some. */
interface Cut {
  readonly listed: number;
  readonly draft: Draft;
}

/**
 * Signs what is ordered and hands it to the broker. What should be signed is derived from the store each time: a device
 * whose issued generation is above its stored envelope is owed one, also after a crash in between.
 */
export class Director {
  readonly #options: DirectorOptions;
  /** By fleet, how many digests the list had when the event of its cut was last written. */
  readonly #toldCut = new Map<FleetId, number>();
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
    const pageMax = limits.ordersPerTransactionMax;
    for (let from = 0; from < devices.length; from += pageMax) {
      await this.#servePage(fleet, devices.slice(from, from + pageMax));
    }
  }

  async #servePage(fleet: FleetId, page: readonly DeviceId[]): Promise<void> {
    let waiting = page;
    for (let i = 0; i < limits.signAttemptsMax && waiting.length > 0; i += 1) {
      const owing = await this.#load(fleet, waiting);
      const stale = owing.filter(({ isStale }) => isStale);
      const signed = await this.#sign(stale);
      for (const owed of owing) {
        const { device } = owed.device;
        const envelope = owed.isStale ? signed.get(device) : owed.stored;
        if (envelope !== undefined && envelope !== null) await this.#publish(owed.device, envelope);
      }
      waiting = stale.map(({ device }) => device.device).filter((id) => !signed.has(id));
    }
    // Whoever wrote in between serves what it wrote.
  }

  async #load(fleet: FleetId, ids: readonly DeviceId[]): Promise<readonly Owed[]> {
    return this.#options.store.read(async (view) => {
      const [devices, envelopes, apps, audit] = await Promise.all([
        view.devices.listByIds(fleet, ids),
        view.desiredEnvelopes.listFor(fleet, ids),
        view.deviceApps.listOf(fleet, ids),
        view.audit.last(),
      ]);
      const storedOf = new Map(envelopes.map((envelope) => [envelope.device, envelope]));
      const forbiddenTo = await this.#forbidding(view, fleet, apps);
      return devices.flatMap((device): Owed[] => {
        // After a restore nothing is signed before the device has said what it saw last.
        if (device.state !== 'accepted' || device.needsReport || device.epoch === null) return [];
        // What it could not read waits until its agent, or this server, is another version.
        if (isForeignSpeaker(device)) return [];
        const stored = storedOf.get(device.device) ?? null;
        const own = apps.filter((app) => app.device === device.device);
        const isStale = this.#isStale(device, stored);
        const forbidden = forbiddenTo(own);
        return [{ device, epoch: device.epoch, stored, apps: own, audit, forbidden, isStale }];
      });
    });
  }

  /** What an order to a device with these apps forbids. Blobs are looked up only where the list is too long for all. */
  async #forbidding(
    view: StoreView,
    fleet: FleetId,
    apps: readonly DeviceApp[],
  ): Promise<(own: readonly DeviceApp[]) => ChosenRevocations> {
    const listed = this.#options.revoked();
    const all = chooseRevoked(listed, new Set());
    if (all.left === 0) return () => all;
    const blobsOf = new Map<Digest, readonly Digest[]>();
    for (const digest of bundlesNear(apps)) {
      const bundle = await view.bundles.find(fleet, digest);
      blobsOf.set(digest, bundle?.blobs ?? []);
    }
    return (own) => {
      const near = [...bundlesNear(own)].flatMap((digest) => [
        digest,
        ...(blobsOf.get(digest) ?? []),
      ]);
      return chooseRevoked(listed, new Set(near));
    };
  }

  #isStale(device: Device, stored: DesiredEnvelope | null): boolean {
    const { directorVersion, orderLifeMs, clock } = this.#options;
    return (
      device.issuedGeneration > 0 &&
      (stored === null ||
        stored.generation < device.issuedGeneration ||
        stored.directorVersion < directorVersion ||
        stored.signedAtMs + orderLifeMs / 2 < clock.nowMs())
    );
  }

  /** Signs for all and writes what is still current, in one transaction. What was overtaken is left out. */
  async #sign(stale: readonly Owed[]): Promise<ReadonlyMap<DeviceId, DesiredEnvelope>> {
    const drafts: Draft[] = [];
    for (const owed of stale) drafts.push(await this.#draft(owed));
    if (drafts.length === 0) return new Map();
    const cut = this.#cutOf(drafts);
    const signed = await this.#options.store.transaction(async (tx) => {
      if (cut !== undefined) await this.#tellCut(tx, cut);
      return writeSigned(
        tx,
        (await stillCurrent(tx, drafts)).map(({ desired }) => desired),
      );
    });
    if (cut !== undefined) this.#toldCut.set(cut.draft.device.fleet, cut.listed);
    return signed;
  }

  /** A device that does not reach its origin hears of no more than its orders carry. */
  async #tellCut(tx: StoreTx, { listed, draft }: Cut): Promise<void> {
    const { device, forbidden } = draft;
    await tx.events.append(device.fleet, {
      atMs: this.#options.clock.nowMs(),
      kind: 'revocations-cut',
      subject: device.device,
      content: { code: 'revocations-cut', listed, left: forbidden.left },
    });
  }

  /** Worth an event once for each length of the list. */
  #cutOf(drafts: readonly Draft[]): Cut | undefined {
    const draft = drafts.find(({ forbidden }) => forbidden.left > 0);
    if (draft === undefined) return undefined;
    const listed = draft.forbidden.revoked.length + draft.forbidden.left;
    return this.#toldCut.get(draft.device.fleet) === listed ? undefined : { listed, draft };
  }

  async #draft(owed: Owed): Promise<Draft> {
    const { clock, signer, heads, directorVersion, orderLifeMs } = this.#options;
    const { device, forbidden } = owed;
    const issuedAtMs = clock.nowMs();
    const signedHead = await heads.sign(owed.audit);
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
      revoked: [...forbidden.revoked],
      ...(signedHead === undefined ? {} : { signedHead }),
    };
    const envelope = await signEnvelope('desired', utf8(canonicalJson(payload)), [signer]);
    const { fleet, device: id } = device;
    const signed = { fleet, device: id, directorVersion, generation, envelope };
    return { device, desired: { ...signed, signedAtMs: issuedAtMs }, forbidden };
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

async function writeSigned(
  tx: StoreTx,
  envelopes: readonly DesiredEnvelope[],
): Promise<ReadonlyMap<DeviceId, DesiredEnvelope>> {
  const [first] = envelopes;
  if (first === undefined) return new Map();
  const written = new Set(await tx.desiredEnvelopes.putNewer(envelopes));
  const signed = envelopes.filter(({ device }) => written.has(device));
  const issued = signed.map(({ device, generation, directorVersion }) => ({
    ...{ device, issuedGeneration: generation, issuedDirectorVersion: directorVersion },
  }));
  await tx.devices.issue(first.fleet, issued);
  return new Map(signed.map((desired) => [desired.device, desired]));
}

/** One generation never has two contents: an order that came while this one was signed makes it worthless. */
async function stillCurrent(tx: StoreTx, drafts: readonly Draft[]): Promise<readonly Draft[]> {
  const fleet = drafts[0]?.device.fleet;
  if (fleet === undefined) return [];
  const ids = drafts.map(({ device }) => device.device);
  const now = new Map((await tx.devices.listByIds(fleet, ids)).map((row) => [row.device, row]));
  return drafts.filter(({ device }) => {
    const row = now.get(device.device);
    return row?.issuedGeneration === device.issuedGeneration && row.epoch === device.epoch;
  });
}

function entryOf({ app, desired }: DeviceApp): DesiredEntry[] {
  if (desired === null) return [];
  const { path, digest, rollout, retry } = desired;
  return [{ app, path, digest, retry, ...(rollout === null ? {} : { rollout }) }];
}
