import type { EnrolmentState } from '../../../shared/contracts/enrolment.ts';
import type { AppName, DeviceId, FleetId } from '../../../shared/core/ids.ts';
import type { Device, DevicePatch, ReportedEnvelope } from '../../core/model/device.ts';
import type { FilterNode } from '../../core/targeting/filter-ast.ts';
import type { Page } from './page.ts';

/** Which devices are meant: a filter of the targeting language, evaluated at `nowMs`. */
export interface DeviceQuery {
  readonly where?: FilterNode;
  readonly nowMs: number;
}

/** Members of a rollout to be: accepted devices of the target, told apart by what an assignment looks at. */
export interface MemberQuery extends DeviceQuery {
  readonly app: AppName;
  /** `tags.NAME` or `facts.NAME`. */
  readonly stratifyBy: readonly string[];
}

export interface MemberCount {
  readonly cell: number;
  /** First committed the app before `nowMs`. */
  readonly isVeteran: boolean;
  /** The values of `stratifyBy` as a JSON list; null for one that the device does not have. */
  readonly stratum: string;
  readonly devices: number;
}

export interface StateCount {
  readonly state: EnrolmentState;
  readonly online: boolean;
  readonly count: number;
}

export interface DeviceReader {
  get(fleet: FleetId, device: DeviceId): Promise<Device | null>;
  /** By device id; unknown ones are left out. */
  listByIds(fleet: FleetId, devices: readonly DeviceId[]): Promise<readonly Device[]>;
  /** By device id. */
  list(fleet: FleetId, query: DeviceQuery, page: Page<DeviceId>): Promise<readonly Device[]>;
  /** The devices of these cells, by device id: a wave is read by its cells, never as a whole. */
  listCells(
    fleet: FleetId,
    cells: readonly number[],
    query: DeviceQuery & { readonly page: Page<DeviceId> },
  ): Promise<readonly Device[]>;
  count(fleet: FleetId, query: DeviceQuery): Promise<number>;
  /** Cells that have a device that is meant, ascending, each with how many. */
  countByCell(
    fleet: FleetId,
    query: DeviceQuery,
  ): Promise<readonly { readonly cell: number; readonly count: number }[]>;
  /**
   * By cell, veterans and stratum, in no order: one grouped query, whatever the size of the fleet. At most
   * `limits.memberGroupsMax` groups; as many mean that there may be more.
   */
  countMembers(fleet: FleetId, query: MemberQuery): Promise<readonly MemberCount[]>;
  /** In no order; what nobody is in is left out. */
  countByState(fleet: FleetId): Promise<readonly StateCount[]>;
  reportedEnvelope(fleet: FleetId, device: DeviceId): Promise<ReportedEnvelope | null>;
}

/** `issuedDirectorVersion` stays what it was where it is absent: the order is not signed yet. */
export interface IssuedOrder {
  readonly device: DeviceId;
  readonly issuedGeneration: number;
  readonly issuedDirectorVersion?: number;
}

export interface DeviceRepository extends DeviceReader {
  /** Throws `store-conflict` when the id is known: a claim never replaces a key. */
  insert(device: Device): Promise<void>;
  /** False when there is no such device. */
  update(fleet: FleetId, device: DeviceId, patch: DevicePatch): Promise<boolean>;
  /** What was ordered, or signed, for each; unknown devices are passed over. */
  issue(fleet: FleetId, issued: readonly IssuedOrder[]): Promise<void>;
  putReportedEnvelope(envelope: ReportedEnvelope): Promise<void>;
  /** After a restore: nothing is signed for a device before it has reported. Returns how many. */
  requireReports(fleet: FleetId): Promise<number>;
}
