import type { Migration } from './migrate-database.ts';

/**
 * Aged windows are found without reading the young ones. Instants rise with the rows of a fleet, so a batch of new
 * windows dirties the last page of this index alone.
 */
export const windowsByAgeMigration: Migration = {
  name: '0002-windows-by-age',
  statements: ['create index windowsByAge on windows (fleet, receivedAtMs)'],
};
