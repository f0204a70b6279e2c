import type { Migration } from './migrate-database.ts';

/**
 * Since when a bundle has its status, and whether its content is gone. Nobody wrote down when the bundles of before
 * were retired: the newest audit row was, at the earliest, written together with it. So none goes before its time.
 */
export const bundleContentMigration: Migration = {
  name: '0009-bundle-content',
  statements: [
    'alter table bundles add column statusSinceMs integer not null default 0',
    'alter table bundles add column contentReleasedAtMs integer',
    `update bundles set statusSinceMs = case status when 'live' then publishedAtMs
      else max(publishedAtMs, coalesce((select max(atMs) from auditRows), 0)) end`,
    'create index bundlesByPath on bundles (path)',
  ],
};
