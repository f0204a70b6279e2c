import type { Migration } from './migrate-database.ts';

/** Held-out sets lay among the uploads of bundles: what a round of any time names is one of them. */
export const blobPurposeMigration: Migration = {
  name: '0007-blob-purpose',
  statements: [
    "alter table blobs add column purpose text not null default 'bundle'",
    `update blobs set purpose = 'round' where digest in (
      select json_extract(reducerState, '$.plan.request.heldOut') from rounds
    )`,
  ],
};
