import type { Migration } from './migrate-database.ts';

/**
 * What was committed and taken back later. Of what devices had reported before, the device's newest report is the best
 * instant there is: a completed release that had soured already stops when the server comes up.
 */
export const regressionsMigration: Migration = {
  name: '0006-regressions',
  statements: [
    `create table regressions (
      fleet text not null references fleets, digest text not null, rollout text not null,
      count integer not null, firstAtMs integer not null, lastAtMs integer not null,
      lastDevice text not null, lastCode text not null,
      primary key (fleet, digest, rollout)
    ) strict, without rowid`,
    'alter table offers add column regressedRetry integer',
    'create index rolloutsByApp on rollouts (fleet, app, status)',
    `update offers set regressedRetry = retry
     where phase = 'failed' and exists (
       select 1 from deviceApps
       where deviceApps.fleet = offers.fleet and deviceApps.device = offers.device
         and deviceApps.app = offers.app and deviceApps.regressed = 1
         and json_extract(deviceApps.target, '$.digest') = offers.digest
         and json_extract(deviceApps.target, '$.retry') = offers.retry
     )`,
    `insert into regressions
     select offers.fleet, digest, rollout, count(*), min(coalesce(lastSeenMs, offeredAtMs)),
       max(coalesce(lastSeenMs, offeredAtMs)), max(offers.device), coalesce(max(code), 'regressed')
     from offers join devices
       on devices.fleet = offers.fleet and devices.device = offers.device
     where regressedRetry is not null group by offers.fleet, digest, rollout`,
  ],
};
