import { limits } from '../../shared/contracts/limits.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import type { Json } from '../../shared/core/canonical-json.ts';
import type { DeviceId, Epoch, FleetId } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Random } from '../../shared/ports/random.ts';
import {
  decideStanding,
  deviceTag,
  type StandingOrder,
} from '../core/enrolment/decide-standing.ts';
import type { Device, DevicePatch, Tags } from '../core/model/device.ts';
import type { DeviceApp } from '../core/model/device-app.ts';
import type { FilterNode } from '../core/targeting/filter-ast.ts';
import { showFilterError } from '../core/targeting/filter-error.ts';
import { parseFilter } from '../core/targeting/parse-filter.ts';
import type { Broker } from '../ports/broker.ts';
import type { Page } from '../ports/repositories/page.ts';
import type { Store, StoreTx } from '../ports/store.ts';
import { appendAudit } from './append-audit.ts';
import type { Director } from './director.ts';
import type { LiveSessions } from './live-sessions.ts';
import { loadDesiredDevice } from './rollout/load-devices.ts';
import type { RolloutDesk } from './rollout/rollout-desk.ts';

export interface DeviceDeskOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly broker: Broker;
  readonly live: LiveSessions;
  readonly director: Director;
  readonly rollouts: RolloutDesk;
  /** A rollout may have waited for this. */
  readonly wake: () => void;
}

export interface DeviceRefusal {
  readonly code: string;
  readonly message: string;
}

/** An order of a person about one device as that person saw it: `seen` is its tag. */
export interface DeviceOrder {
  readonly by: string;
  readonly seen: string;
}

export interface FilterPreview {
  readonly where: FilterNode;
  readonly count: number;
  readonly samples: readonly Device[];
}

/** What people do with devices: look at them, tag them, let them in, end them. */
export class DeviceDesk {
  readonly #options: DeviceDeskOptions;

  constructor(options: DeviceDeskOptions) {
    this.#options = options;
  }

  async list(
    fleet: FleetId,
    query: { readonly where: FilterNode | undefined; readonly page: Page<DeviceId> },
  ): Promise<readonly Device[]> {
    const { where, page } = query;
    const nowMs = this.#options.clock.nowMs();
    const asked = { nowMs, ...(where === undefined ? {} : { where }) };
    return this.#options.store.read((view) => view.devices.list(fleet, asked, page));
  }

  async get({
    fleet,
    device,
  }: DeviceAddress): Promise<
    Result<{ readonly device: Device; readonly apps: readonly DeviceApp[] }, DeviceRefusal>
  > {
    return this.#options.store.read(async (view) => {
      const known = await view.devices.get(fleet, device);
      if (known === null) return notFound(device);
      return ok({ device: known, apps: await view.deviceApps.listOf(fleet, [device]) });
    });
  }

  /** Whom a filter means right now. */
  async preview(fleet: FleetId, filter: string): Promise<Result<FilterPreview, DeviceRefusal>> {
    const where = readFilter(filter);
    if (!where.ok) return where;
    const query = { where: where.value, nowMs: this.#options.clock.nowMs() };
    return this.#options.store.read(async (view) => {
      const count = await view.devices.count(fleet, query);
      const samples = await view.devices.list(fleet, query, { limit: limits.previewSamples });
      return ok({ where: where.value, count, samples });
    });
  }

  /** Replaces all tags. Rollouts look at tags, so what the device should run is decided anew. */
  async setTags(
    address: DeviceAddress,
    { tags, by, seen }: DeviceOrder & { readonly tags: Tags },
  ): Promise<Result<Device, DeviceRefusal>> {
    return this.#change(address, { by, seen }, async (tx, device) => {
      await this.#record(tx, device, {
        by,
        action: 'device-tagged',
        details: { tags: { ...tags } },
      });
      return ok({ tags });
    });
  }

  async stand(
    address: DeviceAddress,
    { order, why, by, seen }: DeviceOrder & { readonly order: StandingOrder; readonly why: string },
  ): Promise<Result<Device, DeviceRefusal>> {
    const changed = await this.#change(address, { by, seen }, async (tx, device) => {
      const state = decideStanding(device.state, order);
      if (!state.ok) return refuse(state.error, `${device.device} is ${device.state}`);
      if (state.value === device.state) return ok({});
      const { keyDigest } = device;
      const details = { state: state.value, key: keyDigest, why };
      await this.#record(tx, device, { by, action: `device-${state.value}`, details });
      if (order === 'decommission') await tx.sessions.removeOf(device.fleet, device.device);
      return ok(this.#patchOf(device, order));
    });
    // Outside the transaction, and again for one that was decommissioned already: a crash may have come between.
    if (changed.ok && order === 'decommission') await this.#cut(address);
    return changed;
  }

  #patchOf(device: Device, order: StandingOrder): DevicePatch {
    if (order === 'decommission') return { state: 'decommissioned', online: false };
    if (order === 'reject') return { state: 'rejected' };
    const epoch = device.epoch ?? (hexOf(this.#options.random.bytes(16)) as Epoch);
    return { state: 'accepted', epoch };
  }

  async #cut(address: DeviceAddress): Promise<void> {
    const { live, broker } = this.#options;
    live.close(address);
    await broker.purge(address);
  }

  async #change(
    { fleet, device: id }: DeviceAddress,
    { seen }: DeviceOrder,
    decide: (tx: StoreTx, device: Device) => Promise<Result<DevicePatch, DeviceRefusal>>,
  ): Promise<Result<Device, DeviceRefusal>> {
    const { store, rollouts, director, wake } = this.#options;
    const done = await store.transaction<Result<Device, DeviceRefusal>>(async (tx) => {
      const device = await tx.devices.get(fleet, id);
      if (device === null) return notFound(id);
      if (deviceTag(device) !== seen) {
        return refuse('precondition-failed', `${id} is not as you saw it`);
      }
      const patch = await decide(tx, device);
      if (!patch.ok) return patch;
      const after = { ...device, ...patch.value };
      if (deviceTag(after) === seen) return ok(device);
      await tx.devices.update(fleet, id, patch.value);
      if (after.state === 'accepted') {
        await rollouts.reconsider(tx, await loadDesiredDevice(tx, after));
      }
      return ok(after);
    });
    if (!done.ok || done.value.state !== 'accepted') return done;
    await director.serve(fleet, [id]);
    wake();
    return done;
  }

  /** The audit row stands before the effect, the event beside it; both in the effect's transaction. */
  async #record(
    tx: StoreTx,
    { fleet, device: subject }: Device,
    {
      by,
      action,
      details,
    }: { readonly by: string; readonly action: string; readonly details: Json },
  ): Promise<void> {
    const atMs = this.#options.clock.nowMs();
    await appendAudit(tx, { fleet, atMs, actor: by, action, subject, details });
    await tx.events.append(fleet, { atMs, kind: action, subject, content: details });
  }
}

/** A filter as people write it; the message of a refusal shows the place with a caret. */
export function readFilter(text: string): Result<FilterNode, DeviceRefusal> {
  const parsed = parseFilter(text);
  return parsed.ok
    ? parsed
    : err({ code: parsed.error.code, message: showFilterError(text, parsed.error) });
}

const notFound = (device: DeviceId): Result<never, DeviceRefusal> =>
  refuse('not-found', `there is no device ${device}`);

const refuse = (code: string, message: string): Result<never, DeviceRefusal> =>
  err({ code, message });
