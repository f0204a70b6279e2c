import type { Generated, Kysely } from 'kysely';
import type { Digest, FleetId, RolloutId } from '../../../shared/core/ids.ts';
import type {
  AccessToken,
  Claim,
  IdempotentAnswer,
  Session,
  StoredChallenge,
} from '../../core/model/access.ts';
import type { AuditRow } from '../../core/model/audit-row.ts';
import type { AuditWitness } from '../../core/model/audit-witness.ts';
import type { BlobRecord, Bundle, TufFile } from '../../core/model/bundle.ts';
import type { Device, ReportedEnvelope } from '../../core/model/device.ts';
import type { DesiredEnvelope, DeviceApp } from '../../core/model/device-app.ts';
import type { Fleet } from '../../core/model/fleet.ts';
import type { FleetEvent } from '../../core/model/fleet-event.ts';
import type { Regression } from '../../core/model/regression.ts';
import type { Offer, OfferCount, Rollout, RolloutEvent } from '../../core/model/rollout.ts';
import type { Contribution, Round } from '../../core/model/round.ts';
import type {
  CohortDevice,
  CohortRecord,
  StoredWindow,
  WindowMark,
} from '../../core/model/telemetry.ts';
import type { Exposure } from '../../core/rollout/step-exposure.ts';
import type { RowOf } from './row-shape.ts';

type OfFleet = { readonly fleet: FleetId };

type OfferRow = RowOf<Exposure, 'previous'> & Pick<Offer, 'cell' | 'arm'> & OfFleet;

/** The tables as the newest migration leaves them. */
export interface StoreSchema {
  fleets: Fleet;
  devices: RowOf<Device, 'tags' | 'facts', 'online' | 'needsReport'>;
  reportedEnvelopes: ReportedEnvelope;
  deviceApps: RowOf<DeviceApp, 'desired' | 'previous' | 'target' | 'refused', 'regressed'>;
  desiredEnvelopes: DesiredEnvelope;
  claims: RowOf<Claim, 'tags', 'preAuthorized'>;
  challenges: StoredChallenge;
  sessions: Session;
  tokens: RowOf<AccessToken, 'fleets'>;
  idempotencyKeys: IdempotentAnswer;
  rollouts: RowOf<Rollout, 'spec' | 'reducerState'>;
  rolloutEvents: RowOf<RolloutEvent, 'numbers'>;
  regressions: Regression & OfFleet;
  offers: OfferRow;
  offerCounts: OfferCount & OfFleet & { readonly rollout: RolloutId; readonly code: string };
  windows: StoredWindow & OfFleet;
  windowMarks: RowOf<WindowMark, 'ahead'> & OfFleet;
  cohortTotals: RowOf<CohortRecord, 'totals'>;
  cohortDevices: Omit<CohortDevice, 'wave'> & OfFleet;
  events: Omit<RowOf<FleetEvent, 'content'>, 'id'> & { readonly id: Generated<number> };
  auditRows: RowOf<AuditRow, 'details'>;
  auditWitnesses: AuditWitness;
  bundles: RowOf<Omit<Bundle, 'blobs'>>;
  bundleBlobs: Pick<Bundle, 'fleet' | 'path'> & { readonly blob: Digest };
  tufFiles: TufFile;
  blobs: BlobRecord;
  blobHolds: { readonly holder: string; readonly digest: Digest };
  rounds: RowOf<Round, 'reducerState'>;
  contributions: Contribution;
}

export type Queries = Kysely<StoreSchema>;
