import type { StoreTx } from '../../ports/store.ts';
import { queriesOver } from './engine/connection-dialect.ts';
import type { SqlConnection } from './engine/sql-connection.ts';
import {
  sqlChallenges,
  sqlClaims,
  sqlIdempotency,
  sqlSessions,
  sqlTokens,
} from './repositories/sql-access.ts';
import { sqlBlobs, sqlBundles, sqlTufFiles } from './repositories/sql-bundles.ts';
import { sqlDesiredEnvelopes, sqlDeviceApps } from './repositories/sql-device-apps.ts';
import { sqlDevices } from './repositories/sql-devices.ts';
import { sqlAudit, sqlEvents } from './repositories/sql-events.ts';
import { sqlFleets } from './repositories/sql-fleets.ts';
import { sqlOffers } from './repositories/sql-offers.ts';
import { sqlRollouts } from './repositories/sql-rollouts.ts';
import { sqlRounds } from './repositories/sql-rounds.ts';
import { sqlCohortTotals, sqlWindows } from './repositories/sql-telemetry.ts';
import type { StoreSchema } from './schema.ts';

/** All repositories over one connection. They hold no state, so they are made once for each connection. */
export function sqlRepositories(connection: SqlConnection): StoreTx {
  const queries = queriesOver<StoreSchema>(connection);
  return {
    fleets: sqlFleets(queries),
    devices: sqlDevices(queries),
    deviceApps: sqlDeviceApps(queries),
    desiredEnvelopes: sqlDesiredEnvelopes(queries),
    claims: sqlClaims(queries),
    challenges: sqlChallenges(queries),
    sessions: sqlSessions(queries),
    tokens: sqlTokens(queries),
    idempotency: sqlIdempotency(queries),
    rollouts: sqlRollouts(queries),
    offers: sqlOffers(queries),
    windows: sqlWindows(queries),
    cohortTotals: sqlCohortTotals(queries),
    events: sqlEvents(queries),
    audit: sqlAudit(queries),
    bundles: sqlBundles(queries),
    tufFiles: sqlTufFiles(queries),
    blobs: sqlBlobs(queries),
    rounds: sqlRounds(queries),
  };
}
