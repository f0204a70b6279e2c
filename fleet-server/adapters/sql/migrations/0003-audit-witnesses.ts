import type { Migration } from './migrate-database.ts';

/**
 * What devices return of the audit chain. Orders that were signed before carry their head in a form that devices read
 * no longer: as old as can be, each is signed anew before it is served again.
 */
export const auditWitnessesMigration: Migration = {
  name: '0003-audit-witnesses',
  statements: [
    `create table auditWitnesses (
      fleet text not null, device text not null, size integer not null, hash text not null,
      atMs integer not null, signedHead text not null,
      primary key (fleet, device),
      foreign key (fleet, device) references devices on delete cascade
    ) strict`,
    'create index auditWitnessesByHead on auditWitnesses (size, hash)',
    'update desiredEnvelopes set signedAtMs = 0',
  ],
};
