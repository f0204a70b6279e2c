import { initialMigration } from './0001-initial.ts';
import { windowsByAgeMigration } from './0002-windows-by-age.ts';
import { auditWitnessesMigration } from './0003-audit-witnesses.ts';
import { dropReplayMarksMigration } from './0004-drop-replay-marks.ts';
import { devicesByPresenceMigration } from './0005-devices-by-presence.ts';
import { regressionsMigration } from './0006-regressions.ts';
import { blobPurposeMigration } from './0007-blob-purpose.ts';
import { bundleMinAgentMigration } from './0008-bundle-min-agent.ts';
import { bundleContentMigration } from './0009-bundle-content.ts';
import type { Migration } from './migrate-database.ts';

/** In order; a published migration is never changed, only followed. */
export const migrations: readonly Migration[] = [
  initialMigration,
  windowsByAgeMigration,
  auditWitnessesMigration,
  dropReplayMarksMigration,
  devicesByPresenceMigration,
  regressionsMigration,
  blobPurposeMigration,
  bundleMinAgentMigration,
  bundleContentMigration,
];
