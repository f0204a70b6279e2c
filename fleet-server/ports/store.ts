import type {
  ChallengeRepository,
  ClaimReader,
  ClaimRepository,
  IdempotencyRepository,
  SessionRepository,
  TokenReader,
  TokenRepository,
} from './repositories/access-repositories.ts';
import type {
  BlobReader,
  BlobRepository,
  BundleReader,
  BundleRepository,
  TufFileReader,
  TufFileRepository,
} from './repositories/bundle-repositories.ts';
import type {
  DesiredEnvelopeReader,
  DesiredEnvelopeRepository,
  DeviceAppReader,
  DeviceAppRepository,
} from './repositories/device-app-repository.ts';
import type { DeviceReader, DeviceRepository } from './repositories/device-repository.ts';
import type {
  AuditReader,
  AuditRepository,
  EventReader,
  EventRepository,
} from './repositories/event-repositories.ts';
import type { FleetReader, FleetRepository } from './repositories/fleet-repository.ts';
import type { OfferReader, OfferRepository } from './repositories/offer-repository.ts';
import type { RolloutReader, RolloutRepository } from './repositories/rollout-repository.ts';
import type { RoundReader, RoundRepository } from './repositories/round-repository.ts';
import type {
  CohortTotalsReader,
  CohortTotalsRepository,
  WindowReader,
  WindowRepository,
} from './repositories/telemetry-repositories.ts';

/**
 * The fleet's truth. Every query of a fleet's noun takes the fleet first, so a foreign id is simply not there.
 * The server's own nouns (tokens, TUF files, blobs, audit chain, idempotency keys) say so where they stand.
 * Times and ids are arguments: the database draws neither.
 */
export interface Store {
  /**
   * Runs `work` as the only writer and resolves when its rows are on disk. Several that wait share one commit.
   * When `work` throws, its rows are taken back and the promise rejects with what it threw.
   * `work` awaits `tx` alone: no network, no `read`, no second `transaction`; it would hold up or deadlock the writer.
   * Throws `store-busy`, `disk-full`, `store-failed`, `store-closed`.
   */
  transaction<T>(work: (tx: StoreTx) => Promise<T>): Promise<T>;
  /** One consistent, committed state for all queries of `work`. */
  read<T>(work: (view: StoreView) => Promise<T>): Promise<T>;
  /** Refuses new work, waits for what was begun, closes. */
  close(): Promise<void>;
}

export interface StoreView {
  readonly fleets: FleetReader;
  readonly devices: DeviceReader;
  readonly deviceApps: DeviceAppReader;
  readonly desiredEnvelopes: DesiredEnvelopeReader;
  readonly claims: ClaimReader;
  readonly sessions: Pick<SessionRepository, 'listOf'>;
  readonly tokens: TokenReader;
  readonly idempotency: Pick<IdempotencyRepository, 'find'>;
  readonly rollouts: RolloutReader;
  readonly offers: OfferReader;
  readonly windows: WindowReader;
  readonly cohortTotals: CohortTotalsReader;
  readonly events: EventReader;
  readonly audit: AuditReader;
  readonly bundles: BundleReader;
  readonly tufFiles: TufFileReader;
  readonly blobs: BlobReader;
  readonly rounds: RoundReader;
}

export interface StoreTx extends StoreView {
  readonly fleets: FleetRepository;
  readonly devices: DeviceRepository;
  readonly deviceApps: DeviceAppRepository;
  readonly desiredEnvelopes: DesiredEnvelopeRepository;
  readonly claims: ClaimRepository;
  readonly challenges: ChallengeRepository;
  readonly sessions: SessionRepository;
  readonly tokens: TokenRepository;
  readonly idempotency: IdempotencyRepository;
  readonly rollouts: RolloutRepository;
  readonly offers: OfferRepository;
  readonly windows: WindowRepository;
  readonly cohortTotals: CohortTotalsRepository;
  readonly events: EventRepository;
  readonly audit: AuditRepository;
  readonly bundles: BundleRepository;
  readonly tufFiles: TufFileRepository;
  readonly blobs: BlobRepository;
  readonly rounds: RoundRepository;
}
