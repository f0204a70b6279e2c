import type { AppName, Digest, FleetId, RolloutId } from '../../../shared/core/ids.ts';
import type { RegressedDevice, Regression } from '../../core/model/regression.ts';
import type {
  Rollout,
  RolloutEvent,
  RolloutEventDraft,
  RolloutPatch,
  RolloutStatus,
} from '../../core/model/rollout.ts';
import type { Page } from './page.ts';

export interface RolloutQuery {
  readonly statuses?: readonly RolloutStatus[];
  readonly app?: AppName;
  readonly digest?: Digest;
}

export interface RolloutReader {
  get(fleet: FleetId, rollout: RolloutId): Promise<Rollout | null>;
  /** Newest first. */
  list(
    fleet: FleetId,
    query: RolloutQuery,
    page: Page<Pick<Rollout, 'createdAtMs' | 'rollout'>>,
  ): Promise<readonly Rollout[]>;
  /** As `list`, without the rows: what a reader that keeps what it has read needs to know. */
  listVersions(
    fleet: FleetId,
    query: RolloutQuery,
    page: Page<Pick<Rollout, 'createdAtMs' | 'rollout'>>,
  ): Promise<readonly Pick<Rollout, 'rollout' | 'app' | 'version'>[]>;
  /** In no order; a status that no rollout has is left out. */
  countByStatus(
    fleet: FleetId,
  ): Promise<readonly { readonly status: RolloutStatus; readonly count: number }[]>;
  /** Which of these digests some rollout of the fleet has aborted. */
  listStopped(fleet: FleetId, digests: readonly Digest[]): Promise<readonly Digest[]>;
  /** Of these digests, by digest and rollout. */
  listRegressions(fleet: FleetId, digests: readonly Digest[]): Promise<readonly Regression[]>;
  /** Apps of the rollouts that have started and not been aborted, sorted: what a device may be given. */
  listApps(fleet: FleetId): Promise<readonly AppName[]>;
  /** The highest place among the claims that any rollout of the fleet has had; 0 when none has started. */
  highestOrder(fleet: FleetId): Promise<number>;
  /** By number, ascending. */
  listEvents(
    fleet: FleetId,
    rollout: RolloutId,
    page: Page<number>,
  ): Promise<readonly RolloutEvent[]>;
}

export interface RolloutWrite {
  /** The version that was read; another one means that somebody else wrote first. */
  readonly expectedVersion: number;
  readonly patch: RolloutPatch;
  readonly nowMs: number;
}

export interface RolloutRepository extends RolloutReader {
  insert(rollout: Rollout): Promise<void>;
  /** Raises the version by one. False, and nothing written, when the expected version is not there. */
  update(fleet: FleetId, rollout: RolloutId, write: RolloutWrite): Promise<boolean>;
  appendEvent(fleet: FleetId, rollout: RolloutId, draft: RolloutEventDraft): Promise<RolloutEvent>;
  /** Counts one more device for (digest, rollout). */
  addRegression(fleet: FleetId, regressed: RegressedDevice): Promise<void>;
}
