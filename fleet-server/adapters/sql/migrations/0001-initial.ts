import type { Migration } from './migrate-database.ts';

/**
 * Columns are named as the fields of the nouns. Instants are milliseconds, flags 0 or 1, JSON is text, hashes and
 * keys are hexadecimal. Tables whose rows are found by their whole key are clustered on it.
 */
export const initialMigration: Migration = {
  name: '0001-initial',
  statements: [
    `create table fleets (
      fleet text primary key, title text not null, createdAtMs integer not null
    ) strict, without rowid`,

    // Devices and what they say
    `create table devices (
      fleet text not null references fleets, device text not null,
      publicKey text not null, keyDigest text not null, state text not null, epoch text,
      cell integer not null check (cell between 0 and 4095),
      tags text not null, claimHash text, enrolledAtMs integer not null,
      facts text not null, zone text, agentVersion text,
      protocolMin integer, protocolMax integer,
      online integer not null, lastSeenMs integer, presenceBoot text, presenceSeq integer not null,
      reportedNumber integer, seenDirectorVersion integer not null, seenGeneration integer not null,
      issuedDirectorVersion integer not null, issuedGeneration integer not null,
      needsReport integer not null,
      primary key (fleet, device)
    ) strict`,
    'create index devicesByCell on devices (fleet, cell, device)',
    'create index devicesByState on devices (fleet, state)',
    `create table reportedEnvelopes (
      fleet text not null, device text not null, epoch text not null, number integer not null,
      envelope blob not null, receivedAtMs integer not null,
      primary key (fleet, device),
      foreign key (fleet, device) references devices on delete cascade
    ) strict`,
    `create table replayMarks (
      fleet text not null, device text not null, epoch text not null, boot text not null,
      seq integer not null, primary key (fleet, device)
    ) strict, without rowid`,
    `create table deviceApps (
      fleet text not null, device text not null, app text not null,
      desired text, previous text, phase text not null, active text, lastGood text, target text,
      reason text, regressed integer not null, firstCommittedAtMs integer, revertMs integer,
      refused text not null,
      primary key (fleet, device, app),
      foreign key (fleet, device) references devices on delete cascade
    ) strict`,
    'create index deviceAppsByActive on deviceApps (fleet, app, active)',
    'create index deviceAppsByCommit on deviceApps (fleet, app, firstCommittedAtMs)',
    `create table desiredEnvelopes (
      fleet text not null, device text not null, directorVersion integer not null,
      generation integer not null, envelope blob not null, signedAtMs integer not null,
      primary key (fleet, device),
      foreign key (fleet, device) references devices on delete cascade
    ) strict`,

    // Who may come in
    `create table claims (
      fleet text not null references fleets, claimHash text not null, idPattern text not null,
      usesLeft integer not null, expiresAtMs integer not null, preAuthorized integer not null,
      tags text not null, createdAtMs integer not null, createdBy text not null,
      primary key (fleet, claimHash)
    ) strict, without rowid`,
    `create table challenges (
      fleet text not null, device text not null, nonce text not null, expiresAtMs integer not null,
      primary key (fleet, device, nonce)
    ) strict, without rowid`,
    'create index challengesByExpiry on challenges (fleet, expiresAtMs)',
    `create table sessions (
      fleet text not null, device text not null, jti text not null, epoch text not null,
      expiresAtMs integer not null, primary key (fleet, device, jti)
    ) strict, without rowid`,
    'create index sessionsByExpiry on sessions (fleet, expiresAtMs)',
    `create table tokens (
      tokenHash text primary key, name text not null unique, role text not null,
      fleets text not null, createdAtMs integer not null, expiresAtMs integer, revokedAtMs integer
    ) strict, without rowid`,
    `create table idempotencyKeys (
      principal text not null, method text not null, route text not null, key text not null,
      requestHash text not null, status integer not null, body text not null,
      createdAtMs integer not null, primary key (principal, method, route, key)
    ) strict`,
    'create index idempotencyKeysByAge on idempotencyKeys (createdAtMs)',

    // Rollouts
    `create table rollouts (
      fleet text not null references fleets, rollout text not null, app text not null,
      digest text not null, status text not null, wave integer not null, version integer not null,
      spec text not null, reducerState text not null, author text not null,
      createdAtMs integer not null, updatedAtMs integer not null,
      primary key (fleet, rollout)
    ) strict`,
    'create index rolloutsByAge on rollouts (fleet, createdAtMs, rollout)',
    'create index rolloutsByStatus on rollouts (fleet, status)',
    `create table rolloutEvents (
      fleet text not null, rollout text not null, number integer not null, atMs integer not null,
      actor text not null, kind text not null, reason text, numbers text not null,
      primary key (fleet, rollout, number),
      foreign key (fleet, rollout) references rollouts on delete cascade
    ) strict, without rowid`,
    `create table offers (
      fleet text not null, rollout text not null, device text not null, cell integer not null,
      arm text not null, app text not null, digest text not null, retry integer not null,
      wave integer not null, generation integer not null, previous text,
      offeredAtMs integer not null, acknowledgedAtMs integer, phase text not null, code text,
      dueAtMs integer,
      primary key (fleet, rollout, device),
      foreign key (fleet, rollout) references rollouts on delete cascade
    ) strict, without rowid`,
    'create index offersByDevice on offers (fleet, device, rollout)',
    'create index offersByPhase on offers (fleet, rollout, phase, device)',
    'create index offersByDue on offers (fleet, dueAtMs, device) where dueAtMs is not null',
    `create table offerCounts (
      fleet text not null, rollout text not null, wave integer not null, arm text not null,
      phase text not null, code text not null, count integer not null,
      primary key (fleet, rollout, wave, arm, phase, code),
      foreign key (fleet, rollout) references rollouts on delete cascade
    ) strict, without rowid`,

    // Telemetry. Windows only ever append: a second index would dirty a page for each device of a batch.
    `create table windows (
      id integer primary key, fleet text not null, device text not null, outbox text not null,
      first integer not null, last integer not null, receivedAtMs integer not null,
      sealed blob not null
    ) strict`,
    `create table windowMarks (
      fleet text not null, device text not null, outbox text not null, durable integer not null,
      ahead text not null, latest integer not null, primary key (fleet, device, outbox)
    ) strict, without rowid`,
    `create table cohortTotals (
      fleet text not null, rollout text not null, arm text not null, wave integer not null,
      totals text not null, primary key (fleet, rollout, arm, wave)
    ) strict`,
    `create table cohortDevices (
      fleet text not null, rollout text not null, arm text not null, device text not null,
      primary key (fleet, rollout, arm, device)
    ) strict, without rowid`,

    // What happened
    `create table events (
      id integer primary key autoincrement, fleet text not null, atMs integer not null,
      kind text not null, subject text not null, content text not null
    ) strict`,
    'create index eventsByFleet on events (fleet, id)',
    `create table auditRows (
      number integer primary key, fleet text, atMs integer not null, actor text not null,
      action text not null, subject text not null, details text not null,
      previousHash text not null, hash text not null
    ) strict`,
    'create index auditRowsByFleet on auditRows (fleet, number)',

    // Bundles, metadata, blobs
    `create table bundles (
      fleet text not null, path text not null, name text not null, version text not null,
      digest text not null, status text not null, publishedAtMs integer not null,
      primary key (fleet, path)
    ) strict`,
    'create index bundlesByDigest on bundles (digest)',
    `create table bundleBlobs (
      fleet text not null, path text not null, blob text not null,
      primary key (blob, fleet, path),
      foreign key (fleet, path) references bundles on delete cascade
    ) strict, without rowid`,
    `create table tufFiles (
      name text primary key, bytes blob not null, storedAtMs integer not null
    ) strict`,
    `create table blobs (
      digest text primary key, sizeBytes integer not null, storedAtMs integer not null
    ) strict, without rowid`,
    `create table blobHolds (
      holder text not null, digest text not null, primary key (holder, digest)
    ) strict, without rowid`,
    'create index blobHoldsByDigest on blobHolds (digest)',

    // Federated rounds
    `create table rounds (
      fleet text not null references fleets, round text not null, app text not null,
      status text not null, version integer not null, reducerState text not null,
      createdAtMs integer not null, updatedAtMs integer not null,
      primary key (fleet, round)
    ) strict`,
    'create index roundsByAge on rounds (fleet, createdAtMs, round)',
    `create table contributions (
      fleet text not null, round text not null, device text not null, digest text not null,
      samples integer not null, verdict text not null, receivedAtMs integer not null,
      primary key (fleet, round, device),
      foreign key (fleet, round) references rounds on delete cascade
    ) strict, without rowid`,
  ],
};
