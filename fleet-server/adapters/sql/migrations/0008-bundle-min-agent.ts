import type { Migration } from './migrate-database.ts';

/** Bundles of before name no oldest agent here: their devices judge by the bundle itself, as they do in any case. */
export const bundleMinAgentMigration: Migration = {
  name: '0008-bundle-min-agent',
  statements: ['alter table bundles add column minAgent text'],
};
