import type { Migration } from './migrate-database.ts';

/** Devices are counted at each scrape of the metrics: the index alone answers, without a look at their rows. */
export const devicesByPresenceMigration: Migration = {
  name: '0005-devices-by-presence',
  statements: [
    'drop index devicesByState',
    'create index devicesByState on devices (fleet, state, online)',
  ],
};
